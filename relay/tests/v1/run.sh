#!/bin/sh
# Version 1 against a client in another language: starts the relay and runs client.py against it.
# Installs what that needs into a folder of its own (default: a fresh one). Not a part of `cargo test`,
# which needs nothing but Rust.
#
#     relay/tests/v1/run.sh [FOLDER]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websockets==15.0.1

cd "$here/../../.."
cargo build --quiet -p nexscope-relay
target=${CARGO_TARGET_DIR:-target}
token=a-token-for-tests-only
NEXSCOPE_TOKEN=$token "$target/debug/nexscope-relay" --listen 127.0.0.1:0 >"$folder/out" 2>"$folder/log" &
relay=$!
trap 'kill "$relay" 2>/dev/null || true' EXIT
tries=0
until address=$(sed -n 's/^listening on //p' "$folder/out") && [ -n "$address" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { cat "$folder/log"; exit 1; }
    sleep 0.1
done
timeout 60 "$folder/venv/bin/python" "$here/client.py" "$address" "$token"
