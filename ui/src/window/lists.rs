//! Brings a list of the window up to date by exact changes, so that rows keep their place and their focus.

use slint::{Model, VecModel};

/// Makes `model` equal to `rows`; rows are the same row where `key` is equal.
pub(super) fn bring<T: Clone + PartialEq + 'static, K: PartialEq>(
    model: &VecModel<T>,
    rows: Vec<T>,
    key: impl Fn(&T) -> K,
) {
    let wanted = rows.len();
    for (at, row) in rows.into_iter().enumerate() {
        match model.iter().skip(at).position(|old| key(&old) == key(&row)) {
            Some(0) => {}
            Some(further) => {
                let moved = model.remove(at + further);
                model.insert(at, moved);
            }
            None => model.insert(at, row.clone()),
        }
        if model.row_data(at).as_ref() != Some(&row) {
            model.set_row_data(at, row);
        }
    }
    while model.row_count() > wanted {
        model.remove(model.row_count() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_list_becomes_any_other() {
        let model = VecModel::from(vec![(1, 'a'), (2, 'b'), (3, 'c')]);
        let wanted: [&[(i32, char)]; 5] =
            [&[(3, 'c'), (1, 'a'), (2, 'x')], &[(9, 'z'), (3, 'c')], &[], &[(1, 'a')], &[(2, 'b'), (1, 'a')]];
        for rows in wanted {
            bring(&model, rows.to_vec(), |row| row.0);
            assert_eq!(model.iter().collect::<Vec<_>>(), rows);
        }
    }
}
