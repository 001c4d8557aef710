//! The program runs to its end, and its figures are those of four models.

#[test]
fn table_one_dependency_trains_measures_infers_and_completes() {
    let folder = std::env::temp_dir().join(format!("gm-program-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = super::program(&folder).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("figures.txt")).unwrap(), text);
    for words in ["## rbm [9, 6]", "## sbn [9, 6, 3]", "## dbm [9, 6, 3]", "## dbn [9, 6, 6]", "by Gibbs sampling\n["] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert_eq!(text.matches("mean log p ").count(), 4);
    assert_eq!(text.matches("completed by ").count(), 4);
    std::fs::remove_dir_all(&folder).unwrap();
}
