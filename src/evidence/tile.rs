//! Tiles: the tree cut into pieces of 256 hashes, by C2SP tlog-tiles.
//!
//! In: positions in a tree. Out: which tile holds them, and its path (`tile/0/x001/234`, or `tile/0/x001/234.p/17` while it is
//! not full). A tile of level `l` holds hashes of subtrees of 256^l leaves. Guaranteed: a path parses back to its tile, and no
//! other text parses.

use bytes::Bytes;

use super::hash::{HASH_BYTES, Hash};

/// Hashes of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Levels that a tree can have: 2^48 leaves.
pub const LEVELS_MAX: u8 = 6;
/// Leaves that a tree may have, as its levels allow.
pub const LEAVES_MAX: u64 = 1 << (8 * LEVELS_MAX);

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0 for the leaves.
    pub level: u8,
    /// Its place in its level.
    pub index: u64,
    /// Hashes in it: from 1 to 256.
    pub width: u16,
}

impl TileId {
    /// The width of a tile that is full.
    pub const FULL: u16 = TILE_WIDTH as u16;

    /// The tile of a tree of `size` leaves that holds hash `place` of a level; `None` if the tree has no such hash.
    pub fn holding(level: u8, place: u64, size: u64) -> Option<Self> {
        let index = place / TILE_WIDTH;
        let in_level = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = in_level.saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH);
        (place < in_level).then_some(Self { level, index, width: width as u16 })
    }

    /// Whether it holds all it ever will.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile once it is full.
    pub fn filled(self) -> Self {
        Self { width: TILE_WIDTH as u16, ..self }
    }

    /// Where it stands, without `tile/`: `0/x001/234.p/17`.
    pub fn path(self) -> String {
        let mut text = format!("{}/{}", self.level, index_path(self.index));
        if !self.is_full() {
            text.push_str(&format!(".p/{}", self.width));
        }
        text
    }

    /// The folder of all its widths that are not full.
    pub fn partial_folder(self) -> String {
        format!("{}/{}.p", self.level, index_path(self.index))
    }

    /// The tile of a [`TileId::path`].
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level: u8 = number(level)?.try_into().ok().filter(|level| *level < LEVELS_MAX)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, number(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (rest, TILE_WIDTH),
        };
        let index = parse_index(index).filter(|index| *index < LEAVES_MAX / u64::from(Self::FULL))?;
        let tile = Self { level, index, width: width as u16 };
        (tile.path() == path).then_some(tile)
    }

    /// The hashes of a tile's bytes; `None` if they are not as many as its width.
    pub fn hashes(self, bytes: &[u8]) -> Option<Vec<Hash>> {
        let whole = bytes.len() == usize::from(self.width) * HASH_BYTES;
        let (chunks, _) = bytes.as_chunks::<HASH_BYTES>();
        whole.then(|| chunks.iter().map(|chunk| Hash(*chunk)).collect())
    }
}

/// A tile with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which.
    pub id: TileId,
    /// Its hashes, one after the other.
    pub bytes: Bytes,
}

impl Tile {
    /// A tile of these hashes, of which there are as many as its width.
    pub(super) fn of(level: u8, index: u64, hashes: &[Hash]) -> Self {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        let id = TileId { level, index, width: hashes.len() as u16 };
        Self { id, bytes: bytes.into() }
    }
}

/// `1234067` as `x001/x234/067`.
fn index_path(index: u64) -> String {
    let mut text = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1_000);
        rest /= 1_000;
    }
    text
}

fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    for part in text.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(index)
}

/// Decimal digits without leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a path that a tool for C2SP tiles does not find.
    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |level, index, width| TileId { level, index, width }.path();
        assert_eq!(path(0, 0, 256), "0/000");
        assert_eq!(path(0, 1_234_067, 256), "0/x001/x234/067");
        assert_eq!(path(1, 5, 17), "1/005.p/17");
        assert_eq!(path(2, 1_000, 1), "2/x001/000.p/1");
    }

    /// Would catch a tile that can be asked for under two names, or a name that is read as another tile's.
    #[test]
    fn only_paths_parse() {
        for index in [0, 1, 999, 1_000, 1_234_067, 1_000_000, 123_456_789] {
            for width in [1, 17, 255, 256] {
                let tile = TileId { level: 3, index, width };
                assert_eq!(TileId::parse(&tile.path()), Some(tile));
            }
        }
        for wrong in [
            "",
            "0",
            "0/",
            "0/0",
            "0/0000",
            "00/000",
            "6/000",
            "-1/000",
            "0/x000/001",
            "0/001/002",
            "0/x001",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p",
            "0/000.p/1/2",
            "0/000/",
            "entries/000",
            "0/x01/000",
        ] {
            assert_eq!(TileId::parse(wrong), None, "{wrong}");
        }
    }
}
