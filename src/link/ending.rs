//! Describes how a connection ended.

use nexscope_relay::protocol::{Code, ErrorFrame};
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};

use super::End;

pub(super) fn said(error: ErrorFrame) -> End {
    End {
        code: Some(error.code),
        why: crate::text::clean_line(&error.message, 300),
    }
}

/// The end of a connection closed by the relay: its error frame says more than the close code.
pub(super) fn ended(close: Option<CloseFrame>, error: Option<ErrorFrame>) -> End {
    if let Some(error) = error {
        return said(error);
    }
    let Some(close) = close else {
        return End::because("the relay has cut the connection");
    };
    let number = u16::from(close.code);
    let code = CLOSING.into_iter().find(|code| code.close() == Some(number));
    let why = match code {
        Some(Code::ShuttingDown) => "the relay is shutting down".to_owned(),
        _ => format!("the relay has closed the connection ({number})"),
    };
    End { code, why }
}

/// The error codes that end a connection.
const CLOSING: [Code; 13] = [
    Code::ShuttingDown,
    Code::BadToken,
    Code::NameTaken,
    Code::Silent,
    Code::TooLarge,
    Code::BadName,
    Code::Abuse,
    Code::BadHello,
    Code::BadVersion,
    Code::Full,
    Code::HelloTimeout,
    Code::Replaced,
    Code::SlowConsumer,
];

pub(super) fn lost(error: &tungstenite::Error) -> End {
    End::because(match error {
        tungstenite::Error::Io(error) => format!("the connection was cut: {}", plain(error)),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            "the relay has cut the connection".to_owned()
        }
        other => format!(
            "the connection failed: {}",
            crate::text::clean_line(&other.to_string(), 200)
        ),
    })
}

/// Formats a system error without its number.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    crate::text::clean_line(&text.to_lowercase(), 200)
}
