//! Files: those that move or wait beside the messages, and all of them in their place.

use ratatui::text::Line;

use super::{RenderContext, Scope, timeline::cut_line};
use crate::{
    core::{Offer, Post, Side, Stage, UploadState},
    text,
    tui::{
        state::State,
        view::{hit_test::HitTarget, overlays::list::List},
    },
};

/// Cells of a bar that shows how much of a file has moved.
const BAR: usize = 8;

/// All files, the newest first.
pub(super) fn all(look: &RenderContext, state: &State, width: usize) -> List {
    let mut list = List::default();
    let selected = state.selected_file(look.room);
    for offer in look.room.files.all().rev() {
        let at_hand = selected == Some(offer.number);
        let head = head(look, offer, width);
        let head = match at_hand {
            true => head.patch_style(look.style(Scope::Selected)),
            false => head,
        };
        let words = offer.in_words();
        let words = text::wrap(&words, width.saturating_sub(4));
        let words = words
            .into_iter()
            .map(|line| look.line(format!("    {line}"), scope(offer)));
        let spot = Some(HitTarget::File(offer.number));
        list.extend(std::iter::once(head).chain(words), spot, at_hand);
    }
    if selected.is_none() {
        list.push(nothing(look), None);
    }
    list
}

fn nothing(look: &RenderContext) -> Line<'static> {
    look.line("No files yet. Offer one with /say @NAME --file PATH.", Scope::Dim)
}

fn head(look: &RenderContext, offer: &Offer, width: usize) -> Line<'static> {
    let (arrow, who) = match &offer.side {
        Side::Mine(_) => ("↑", "you".to_owned()),
        Side::Theirs(_) => ("↓", look.name(&offer.from)),
        Side::Others => ("·", look.name(&offer.from)),
    };
    cut_line(
        vec![
            look.span(format!("{arrow} "), scope(offer)),
            look.span(format!("f{} ", offer.number), Scope::Key),
            look.span(offer.name.clone(), Scope::Text),
            look.span(
                format!("  {} · {who} · m{}", text::bytes(offer.size), offer.post),
                Scope::Dim,
            ),
            look.span(bar(offer), scope(offer)),
        ],
        width,
    )
}

/// Adds what moves or waits, for the side.
pub(super) fn add_open(list: &mut List, look: &RenderContext, width: usize) {
    for offer in look.room.files.open().rev() {
        let arrow = if matches!(offer.side, Side::Mine(_)) {
            "↑"
        } else {
            "↓"
        };
        let far = offer
            .fraction()
            .map_or_else(String::new, |far| format!(" {}%", (far * 100.0) as u32));
        let name = text::cut(&offer.name, width.saturating_sub(2 + far.len()));
        let line = cut_line(
            vec![
                look.span(format!("{arrow} "), scope(offer)),
                look.span(name, Scope::Text),
                look.span(far, Scope::Working),
            ],
            width,
        );
        list.push(line, Some(HitTarget::File(offer.number)));
    }
}

/// Lines below a message: the files that it offers.
pub(super) fn post_lines(
    look: &RenderContext,
    post: &Post,
    margin: &str,
    width: usize,
) -> Vec<Line<'static>> {
    let offers = post
        .files
        .iter()
        .filter_map(|number| look.room.files.get(*number));
    offers
        .map(|offer| {
            cut_line(
                vec![
                    look.span(format!("{margin}⎘ "), Scope::Dim),
                    look.span(offer.name.clone(), Scope::Text),
                    look.span(
                        format!(" {} · f{} · ", text::bytes(offer.size), offer.number),
                        Scope::Dim,
                    ),
                    look.span(offer.in_words(), scope(offer)),
                    look.span(bar(offer), scope(offer)),
                ],
                width,
            )
        })
        .collect()
}

/// The files of a mention, in words: `report.pdf, 12 KB`.
pub(super) fn in_words(look: &RenderContext, numbers: &[u32]) -> String {
    let offers = numbers.iter().filter_map(|number| look.room.files.get(*number));
    let each: Vec<String> = offers
        .map(|offer| format!("{}, {}", offer.name, text::bytes(offer.size)))
        .collect();
    each.join(" and ")
}

fn bar(offer: &Offer) -> String {
    offer.fraction().map_or_else(String::new, |far| {
        let full = (far * BAR as f64) as usize;
        format!("  {}{}", "█".repeat(full), "░".repeat(BAR - full))
    })
}

fn scope(offer: &Offer) -> Scope {
    match &offer.side {
        Side::Theirs(fetch) => match fetch.stage {
            Stage::Offered | Stage::Aside => Scope::Waiting,
            Stage::Failed(_) => Scope::Error,
            Stage::Done(_) => Scope::Good,
            Stage::Declined => Scope::Dim,
            _ => Scope::Working,
        },
        Side::Mine(mine) => {
            let is = |wanted: fn(&UploadState) -> bool| mine.receivers.iter().any(|one| wanted(&one.stage));
            if is(|stage| matches!(stage, UploadState::Failed(_))) {
                Scope::Error
            } else if is(|stage| matches!(stage, UploadState::Moving(_))) || mine.reading.is_some() {
                Scope::Working
            } else if is(|stage| *stage == UploadState::Done) {
                Scope::Good
            } else {
                Scope::Dim
            }
        }
        Side::Others => Scope::Dim,
    }
}
