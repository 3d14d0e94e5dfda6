//! Positions that belong together: a union-find, for whoever joins what was read apart. It knows nobody.

use std::collections::BTreeMap;

/// Positions, each pointing to another one of its group or to itself. The least stands for all.
pub struct Groups(Vec<usize>);

impl Groups {
    /// So many positions, each for itself.
    pub fn new(len: usize) -> Self {
        Groups((0..len).collect())
    }

    /// The position that stands for the group of this one.
    pub fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Makes one group of two.
    pub fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }

    /// The groups of more than one position, by the first of each.
    pub fn several(&mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.0.len() {
            groups.entry(self.root(at)).or_default().push(at);
        }
        groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_over_others_is_one_group() {
        let mut groups = Groups::new(7);
        for (one, other) in [(5, 3), (1, 5), (2, 4), (3, 1)] {
            groups.join(one, other);
        }
        assert_eq!(groups.several(), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!((groups.root(5), groups.root(6)), (1, 6));
    }
}
