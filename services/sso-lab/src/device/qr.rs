//! A QR code for a terminal: two modules a character, dark on light whatever the
//! terminal's colours are.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, QRCode};

/// The light border around the code, in modules (ISO/IEC 18004 §5.3.8).
const BORDER: usize = 4;
/// Black on bright white.
const COLOURS: &str = "\x1b[30;107m";
const RESET: &str = "\x1b[0m";

/// The code of `text`, if it fits one.
pub(super) fn image(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let width = code.size + 2 * BORDER;
    let mut image = String::new();
    for row in (0..width).step_by(2) {
        image += COLOURS;
        for column in 0..width {
            let dark = (is_dark(&code, row, column), is_dark(&code, row + 1, column));
            image.push(match dark {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        let _ = writeln!(image, "{RESET}");
    }
    Some(image)
}

fn is_dark(code: &QRCode, row: usize, column: usize) -> bool {
    let at = |position: usize| position.checked_sub(BORDER).filter(|at| *at < code.size);
    at(row)
        .zip(at(column))
        .is_some_and(|(row, column)| code[row][column].value())
}
