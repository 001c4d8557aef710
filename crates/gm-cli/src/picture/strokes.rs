//! Lettering drawn with strokes, so that pictures need no font from the system.
//!
//! A glyph is a few polylines on a grid. x runs from 0 to 4. y runs from 0 (top of capitals) over 2 (top of small
//! letters) and 6 (base line) to 8 (bottom of descenders). Two digits make a point, and a space lifts the pen.

/// Grid units from the top of capitals to the base line.
const CAPITAL: f32 = 6.0;
/// Grid units between glyphs.
const GAP: f32 = 1.7;
/// Grid units of a blank.
const BLANK: f32 = 1.6;

/// A point in pixels.
pub(crate) type Point = (f32, f32);

/// The strokes of a character that has no glyph.
const UNKNOWN: &str = "0040460600";

/// The strokes of each character.
const GLYPHS: [(char, &str); 78] = [
    ('0', "103041453616050110"),
    ('O', "103041453616050110"),
    ('1', "011016 0626"),
    ('2', "01103041420646"),
    ('3', "01103041423323 334445361605"),
    ('4', "36300444"),
    ('5', "40000312324345361605"),
    ('6', "413010010516364544331304"),
    ('7', "004016"),
    ('8', "13020110304142331304051636454433"),
    ('9', "051636454130100102133342"),
    ('A', "062046 1434"),
    ('B', "0333444536060030414233"),
    ('C', "4130100105163645"),
    ('D', "00204244260600"),
    ('E', "40000646 0333"),
    ('F', "400006 0333"),
    ('G', "41301001051636454323"),
    ('H', "0006 4046 0343"),
    ('I', "0006"),
    ('J', "3035261605"),
    ('K', "0006 4004 1346"),
    ('L', "000646"),
    ('M', "0600234046"),
    ('N', "06004640"),
    ('P', "06003041423303"),
    ('Q', "103041453616050110 2446"),
    ('R', "06003041423303 2346"),
    ('S', "413010010213334445361605"),
    ('T', "0040 2026"),
    ('U', "000516364540"),
    ('V', "002640"),
    ('W', "0016223640"),
    ('X', "0046 4006"),
    ('Y', "002340 2326"),
    ('Z', "00400646"),
    ('a', "3236 3322120305162635"),
    ('b', "0006 0312223335261605"),
    ('c', "3322120305162635"),
    ('d', "3036 3322120305162635"),
    ('e', "04343322120305162635"),
    ('f', "201116 0222"),
    ('g', "3237281807 3322120305162635"),
    ('h', "0006 0312223336"),
    ('i', "0206 0000"),
    ('j', "121708 1010"),
    ('k', "0006 3205 1436"),
    ('l', "000516"),
    ('m', "0206 03122326 23324346"),
    ('n', "0206 0312223336"),
    ('o', "122233352616050312"),
    ('p', "0208 0312223335261605"),
    ('q', "3238 3322120305162635"),
    ('r', "0206 031222"),
    ('s', "33221203142435261605"),
    ('t', "101526 0222"),
    ('u', "0205162635 3236"),
    ('v', "022642"),
    ('w', "0216233642"),
    ('x', "0236 3206"),
    ('y', "0226 4218"),
    ('z', "02320636"),
    ('.', "0606"),
    (',', "1607"),
    (':', "0303 0606"),
    (';', "1313 1607"),
    ('-', "0333"),
    ('+', "0444 2226"),
    ('=', "0333 0535"),
    ('/', "3007"),
    ('|', "0007"),
    ('_', "0747"),
    ('(', "10020517"),
    (')', "00121507"),
    ('[', "10000717"),
    (']', "00101707"),
    ('%', "4006 0010110100 3545463635"),
    ('\'', "0001"),
];

fn glyph(character: char) -> &'static str {
    GLYPHS.iter().find(|(drawn, _)| *drawn == character).map_or(UNKNOWN, |(_, strokes)| strokes)
}

/// The polylines of a text and its width, for capitals of a height. The top left corner of the capitals is at the
/// origin.
///
/// # Shapes
///
/// Polylines have one point or more; a single point is a dot.
pub(crate) fn lettering(text: &str, height: f32) -> (Vec<Vec<Point>>, f32) {
    let unit = height / CAPITAL;
    let mut lines = Vec::new();
    let mut x = 0.0;
    for character in text.chars() {
        if character == ' ' {
            x += (BLANK + GAP) * unit;
            continue;
        }
        let mut width = 0.0_f32;
        for stroke in glyph(character).split(' ') {
            let digits: Vec<f32> = stroke.bytes().map(|digit| f32::from(digit - b'0')).collect();
            width = digits.iter().step_by(2).copied().fold(width, f32::max);
            lines.push(digits.chunks(2).map(|point| (x + point[0] * unit, point[1] * unit)).collect());
        }
        x += (width + GAP) * unit;
    }
    (lines, (x - GAP * unit).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_every_glyph_lies_on_its_grid() {
        for character in (' '..='~').filter(|&c| c != ' ') {
            for stroke in glyph(character).split(' ') {
                assert!(!stroke.is_empty() && stroke.len() % 2 == 0, "{character}: {stroke}");
                let inside = |pair: &[u8]| pair[0] <= b'4' && pair[1] <= b'8' && pair.iter().all(u8::is_ascii_digit);
                assert!(stroke.as_bytes().chunks(2).all(inside), "{character}: {stroke}");
            }
        }
    }

    #[test]
    fn table_width_grows_with_the_text() {
        assert_eq!(lettering("", 12.0).1, 0.0);
        assert!((lettering("H", 12.0).1 - 8.0).abs() < 1e-4);
        assert!(lettering("HH", 12.0).1 > 16.0);
    }
}
