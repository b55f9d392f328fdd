//! A table whose places are used again, with a generation that tells the uses apart.

use alloc::vec::Vec;

pub(crate) struct Arena<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Arena<T> {
    pub(crate) fn new() -> Self {
        Arena { places: Vec::new(), free: Vec::new() }
    }

    /// Stores a value: its index and generation.
    pub(crate) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            // Generation 0 is never used, and 24 bits are all that an origin keeps of it.
            place.generation = (place.generation & 0x00ff_ffff) % 0x00ff_ffff + 1;
            place.value = Some(value);
            return (index, place.generation);
        }
        let index = self.places.len() as u32;
        self.places.push(Place { generation: 1, value: Some(value) });
        (index, 1)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.places.get_mut(index as usize)?.value.take()?;
        self.free.push(index);
        Some(value)
    }

    /// The value at `index` if it is still of this generation.
    pub(crate) fn lookup(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let place = self.places.get_mut(index as usize)?;
        if place.generation == generation { place.value.as_mut() } else { None }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.value.as_mut()
    }

    pub(crate) fn generation(&self, index: u32) -> u32 {
        self.places.get(index as usize).map_or(0, |place| place.generation)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(index, place)| place.value.as_mut().map(|value| (index as u32, value)))
    }

    /// Indexes in use.
    pub(crate) fn indexes(&self) -> Vec<u32> {
        let used = |(index, place): (usize, &Place<T>)| place.value.as_ref().map(|_| index as u32);
        self.places.iter().enumerate().filter_map(used).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_used_again_has_another_generation() {
        let mut arena = Arena::new();
        let (index, first) = arena.insert('a');
        assert_eq!(arena.remove(index), Some('a'));
        assert_eq!(arena.remove(index), None);
        let (again, second) = arena.insert('b');
        assert_eq!(index, again);
        assert_ne!(first, second);
        assert_eq!(arena.lookup(index, first), None);
        assert_eq!(arena.lookup(index, second), Some(&mut 'b'));
        assert_eq!((arena.len(), arena.indexes()), (1, alloc::vec![0]));
    }
}
