//! Maps and sets of a handful of entries, as every live call has a dozen: a sorted list with room for what is in it.
//!
//! A node of the standard library's trees has room for eleven entries: 544 octets for one name and its value. What is
//! looked up here is found by halving, what is put in moves the entries behind it: right for tens, wrong for thousands.

use std::{borrow::Borrow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A sorted map; written like any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmallMap<K, V>(Vec<(K, V)>);

/// A sorted set; written like any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmallSet<K>(SmallMap<K, ()>);

impl<K: Ord, V> SmallMap<K, V> {
    /// A map without entries, and without memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Sets the value of a key; the one before, if there was one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// The value of a key, made when there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = match self.place(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (key, V::default()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    /// Forgets all, memory included.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// The entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }
}

impl<K: Ord> SmallSet<K> {
    /// A set without members, and without memory.
    pub const fn new() -> Self {
        Self(SmallMap::new())
    }

    /// How many members there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is a member.
    pub fn contains<Q: Ord + ?Sized>(&self, member: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(member)
    }

    /// Takes a member in; whether it is new.
    pub fn insert(&mut self, member: K) -> bool {
        // What is there stays, as in any set.
        !self.contains(&member) && self.0.insert(member, ()).is_none()
    }

    /// Takes a member out; whether there was one.
    pub fn remove<Q: Ord + ?Sized>(&mut self, member: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.remove(member).is_some()
    }

    /// The members in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.keys()
    }
}

impl<K: Ord, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord> Default for SmallSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for SmallMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + fmt::Debug> fmt::Debug for SmallSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> IntoIterator for SmallMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SmallMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord> Extend<K> for SmallSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, members: I) {
        for member in members {
            self.insert(member);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SmallMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord> FromIterator<K> for SmallSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(members: I) -> Self {
        let mut set = Self::new();
        set.extend(members);
        set
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SmallMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord, const N: usize> From<[K; N]> for SmallSet<K> {
    fn from(members: [K; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for SmallMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<K: Ord + Serialize> Serialize for SmallSet<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for SmallMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<'de, K: Ord + Deserialize<'de>> Deserialize<'de> for SmallSet<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Members(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = SmallMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = SmallMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

struct Members<K>(PhantomData<K>);

impl<'de, K: Ord + Deserialize<'de>> Visitor<'de> for Members<K> {
    type Value = SmallSet<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut set = SmallSet::new();
        while let Some(member) = members.next_element()? {
            set.insert(member);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn it_says_what_a_tree_would_say() {
        let (mut small, mut tree) = (SmallMap::new(), BTreeMap::new());
        for step in 0_u64..400 {
            let key = step * 7 % 13;
            if step % 3 == 0 {
                assert_eq!(small.remove(&key), tree.remove(&key));
            } else {
                assert_eq!(small.insert(key, step), tree.insert(key, step));
            }
            assert!(small.iter().eq(&tree) && small.keys().eq(tree.keys()) && small.values().eq(tree.values()));
            assert_eq!((small.len(), small.is_empty()), (tree.len(), tree.is_empty()));
            assert_eq!((small.get(&3), small.contains_key(&4)), (tree.get(&3), tree.contains_key(&4)));
            assert_eq!(small.get_mut(&5), tree.get_mut(&5));
        }
        small.clear();
        assert!(small.is_empty());
    }

    #[test]
    fn a_set_takes_each_member_once_and_gives_them_in_order() {
        let mut set = SmallSet::from(["b", "a", "b"]);
        assert!(set.insert("c") && !set.insert("a") && set.contains("b") && !set.contains("d"));
        assert!(set.remove("b") && !set.remove("b"));
        assert!(set.iter().eq(&["a", "c"]));
        assert_eq!((set.len(), set.is_empty(), format!("{set:?}").as_str()), (2, false, r#"{"a", "c"}"#));
    }

    #[test]
    fn it_is_written_and_read_as_a_tree_is() {
        let tree = BTreeMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)]);
        let text = serde_json::to_string(&tree).unwrap();
        let small: SmallMap<String, u32> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&small).unwrap(), text);
        let small: SmallMap<String, u32> = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(small, SmallMap::from([("a".to_owned(), 2), ("b".to_owned(), 3)]), "the last one counts");
        let set: SmallSet<u32> = serde_json::from_str("[3,1,3]").unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), serde_json::to_string(&BTreeSet::from([1, 3])).unwrap());
        assert!(serde_json::from_str::<SmallSet<u32>>("{}").is_err());
        assert!(serde_json::from_str::<SmallMap<u32, u32>>("[]").is_err());
    }

    #[test]
    fn there_is_no_room_for_more_than_there_is() {
        let mut map = SmallMap::new();
        map.extend((0..5).map(|key| (key, key)));
        assert!(map.0.capacity() <= 5, "room for {}", map.0.capacity());
    }
}
