//! Values in slots: a small number leads to each, and slots of those that are gone are used again.

/// Each value lies on its own, so that it stays where it is while others come and go.
pub(crate) struct Slots<T> {
    values: Vec<Option<Box<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Put `value` into a free slot and return its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let boxed = Some(Box::new(value));
        if let Some(index) = self.free.pop() {
            self.values[index as usize] = boxed;
            index
        } else {
            self.values.push(boxed);
            self.values.len() as u32 - 1
        }
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Box<T>> {
        let value = self.values.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(value)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.values.get(index as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.values.get_mut(index as usize)?.as_deref_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().filter_map(|value| value.as_deref())
    }
}
