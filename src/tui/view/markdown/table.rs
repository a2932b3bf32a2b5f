//! Tables: columns side by side where there is room, else one cell below the other.

use ratatui::{style::Style, text::Span};

use super::inline::Inline;
use crate::tui::view::timeline::row::Row;

/// Columns between two cells.
const GAP: usize = 2;
/// A column is not made narrower than this, in terminal columns.
const LEAST: usize = 6;

/// A table that is being read, row by row; the first row is its head.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<Inline>>,
}

impl Table {
    pub fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub fn cell(&mut self, cell: Inline) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The rows at a width, with a line below the head.
    pub fn lay(&self, columns: usize, rule: Style) -> Vec<Row> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        match widths(&self.rows, count, columns) {
            Some(widths) => self.side_by_side(&widths, rule),
            None => self.stacked(columns),
        }
    }

    fn side_by_side(&self, widths: &[usize], rule: Style) -> Vec<Row> {
        let mut out = Vec::new();
        for (nth, cells) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<Row>> = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| cell.rows(*width))
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..height {
                let mut row = Row::default();
                let mut column = 0;
                for (cell, width) in cells.iter().zip(widths) {
                    let missing = column - row.width();
                    if let Some(part) = cell.get(line) {
                        let mut before = row.line.spans;
                        before.push(Span::raw(" ".repeat(missing)));
                        let links = row.links;
                        row = part.clone().behind(before);
                        row.links.splice(..0, links);
                    }
                    column += width + GAP;
                }
                out.push(row);
            }
            if nth == 0 {
                let width = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
                let mut row = Row::default();
                row.push(&"─".repeat(width), rule, None);
                out.push(row);
            }
        }
        out
    }

    fn stacked(&self, columns: usize) -> Vec<Row> {
        let cells = self.rows.iter().flatten().filter(|cell| !cell.is_empty());
        cells.flat_map(|cell| cell.rows(columns)).collect()
    }
}

/// How wide each column is: what it needs, and where that is too much, the widest give way first. None
/// where they would become too narrow to be read.
fn widths(rows: &[Vec<Inline>], count: usize, columns: usize) -> Option<Vec<usize>> {
    let room = columns.checked_sub(GAP * count.saturating_sub(1))?;
    let mut widths: Vec<usize> = (0..count)
        .map(|nth| {
            let cells = rows.iter().filter_map(|row| row.get(nth));
            cells.map(Inline::width).max().unwrap_or(0).max(1)
        })
        .collect();
    while widths.iter().sum::<usize>() > room {
        let widest = widths.iter_mut().max()?;
        if *widest <= LEAST {
            return None;
        }
        *widest -= 1;
    }
    Some(widths)
}
