"""Longer trainings of the paper's protocol are the study's own, but for the epochs."""

from longer_training import SYSTEMS, longer

from crisislens.bench.paper import Paper


def test_longer_trainings_of_the_papers_protocol_differ_in_the_epochs_alone() -> None:
    study, usual = longer("paper", 100), Paper()
    assert isinstance(study, Paper)
    for system in SYSTEMS["paper"]:
        run, own = study.run_of("A2", system), usual.run_of("A2", system)
        assert (run.epochs, own.epochs) == (100, 50)
        assert run.model_copy(update={"epochs": own.epochs}) == own


def test_longer_trainings_are_no_results_of_the_study() -> None:
    assert longer("paper", 100).terms() != Paper().terms()
