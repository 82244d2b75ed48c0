from helpers import places


def test_output_goes_to_the_chosen_folder_and_makes_room(written):
    path = places.output("data", "runs", "a.json")
    assert path == written / "data" / "runs" / "a.json"
    assert path.parent.is_dir()
    assert not path.exists()


def test_output_without_a_chosen_folder_is_the_repository(monkeypatch):
    monkeypatch.delenv("FIVE_GAUSSIANS_OUT")
    assert places.output("pyproject.toml") == places.REPOSITORY / "pyproject.toml"


def test_existing_prefers_what_was_written_to_what_is_committed(written):
    assert places.existing("data", "gmm5.json") == places.REPOSITORY / "data" / "gmm5.json"
    places.output("data", "gmm5.json").write_text("{}", encoding="utf-8")
    assert places.existing("data", "gmm5.json") == written / "data" / "gmm5.json"


def test_existing_names_the_committed_path_where_there_is_neither():
    assert places.existing("data", "none.json") == places.REPOSITORY / "data" / "none.json"
