//! Dotted keys of TOML tables.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// All values of a table and of the tables within it, by their dotted keys.
pub(crate) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => drop(found.insert(key.clone(), value.clone())),
        }
    }
    found
}

/// Puts a value under a dotted key, and makes the tables on the way to it. False if a value stands there, or on the way.
pub(crate) fn insert(table: &mut Table, key: &str, value: Value) -> bool {
    match key.split_once('.') {
        None if table.contains_key(key) => false,
        None => table.insert(key.into(), value).is_none(),
        Some((first, rest)) => match table.entry(first).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => insert(inner, rest, value),
            _ => false,
        },
    }
}

/// Takes the value of a dotted key away, and tables that are empty without it.
pub(crate) fn remove(table: &mut Table, key: &str) {
    match key.split_once('.') {
        None => drop(table.remove(key)),
        Some((first, rest)) => {
            let Some(Value::Table(inner)) = table.get_mut(first) else { return };
            remove(inner, rest);
            if inner.is_empty() {
                table.remove(first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_dotted_keys_reach_inner_tables() {
        let mut table: Table = "a = 1\n[b]\nc = [2, 3]\n[b.d]\ne = 'x'\n".parse().unwrap();
        let keys: Vec<String> = flatten(&table).into_keys().collect();
        assert_eq!(keys, ["a", "b.c", "b.d.e"]);
        assert!(insert(&mut table, "b.d.f", Value::Integer(4)) && insert(&mut table, "g.h", Value::Integer(5)));
        assert_eq!(flatten(&table)["g.h"], Value::Integer(5));
        for taken in ["a", "b", "b.c", "a.x", "b.d.e"] {
            assert!(!insert(&mut table, taken, Value::Integer(0)), "{taken}");
        }
        remove(&mut table, "b.d.f");
        remove(&mut table, "no.such.key");
        remove(&mut table, "g.h");
        assert!(!table.contains_key("g"));
        assert!(!flatten(&table).contains_key("b.d.f"));
    }
}
