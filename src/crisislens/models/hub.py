"""Saved models and bundles on a model hub: what `models.saved` writes is laid out so that a folder
is a repository, card and all.

Only `.safetensors`, `.json` and `.md` files go either way, so a repository cannot bring code. The
hub is Hugging Face's or the one that the environment variable `HF_ENDPOINT` names; access follows
that library's own login (`hf auth login`, or `HF_TOKEN`). Nothing here runs unless a user asks for
it by name.
"""

import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crisislens.core.errors import InputError, ModelError
from crisislens.core.optional import require
from crisislens.models.saved import CONFIG, kind_of, short

__all__ = ["FILES", "pull_from_hub", "push_to_hub"]

FILES = ("*.safetensors", "*.json", "*.md")
"""What is sent and taken."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_BUNDLE = "bundle.json"


def push_to_hub(folder: Path, repo: str, *, private: bool = True, message: str = "") -> str:
    """Sends a saved model or a bundle; the repository is made where it is missing.

    Arguments:
        folder: The folder of a saved model or of a bundle.
        repo: The repository as `owner/name`.
        private: Whether a new repository is seen by its owner alone; one that exists stays as it
            is.
        message: The message of the commit; says what is sent where empty.

    Returns:
        The commit's address.

    Raises:
        InputError: If the folder holds neither, or the repository is not named as `owner/name`.
        ModelError: If the hub is not reached or refuses.
        MissingExtraError: If huggingface_hub is not installed.
    """
    _check_name(repo)
    # a bundle holds saved models, so it is asked for first
    what = "bundle" if (folder / _BUNDLE).is_file() else kind_of(folder)
    if not what:
        raise InputError(
            f"{folder} holds no saved model ({CONFIG}) and no bundle ({_BUNDLE}); give the folder of one"
        )
    api = _api()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[*FILES],
            commit_message=message or f"{what} saved by crisislens",
        )
    except Exception as error:
        raise _refused(f"{folder} cannot be sent to {repo}", error) from error
    return str(commit.commit_url)


def pull_from_hub(repo: str, folder: Path, *, revision: str | None = None) -> str:
    """Fetches a saved model or a bundle into a folder; load it from there as any other.

    Arguments:
        repo: The repository as `owner/name`.
        folder: Where the files go; must not hold anything yet.
        revision: A commit, tag or branch; the newest where None. Name a commit to get the same
            files again.

    Returns:
        The commit that was fetched, 40 hex digits.

    Raises:
        InputError: If the folder is not empty, or the repository is not named as `owner/name`.
        ModelError: If the hub is not reached or refuses, or what it has is neither a saved model
            nor a bundle.
        MissingExtraError: If huggingface_hub is not installed.
    """
    _check_name(repo)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; give a new or empty folder")
    api = _api()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # beside its place and renamed when it is whole: half a model is never left under the name
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.", ignore_cleanup_errors=True) as part:
        fetched = Path(part) / "model"
        try:
            # first the commit, so that all files are of one
            commit = str(api.model_info(repo, revision=revision).sha)
            api.snapshot_download(repo, revision=commit, local_dir=fetched, allow_patterns=[*FILES])
        except Exception as error:
            raise _refused(f"{repo} cannot be fetched", error) from error
        # the library's notes on what it fetched
        shutil.rmtree(fetched / ".cache", ignore_errors=True)
        if not (fetched / _BUNDLE).is_file() and not kind_of(fetched):
            raise ModelError(
                f"{repo} at {commit} holds neither {CONFIG} of a saved model nor {_BUNDLE}; name a "
                f"repository that crisislens pushed"
            )
        fetched.replace(folder)
    return commit


def _check_name(repo: str) -> None:
    if not _REPOSITORY.fullmatch(repo):
        raise InputError(f"{repo!r:.100} is no name of a repository; give it as owner/name")


def _api() -> Any:
    hub = require("huggingface_hub", extra="hub")
    # read here: the library reads it once, when it is imported
    return hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="crisislens")


def _refused(what: str, error: Exception) -> ModelError:
    # the library raises its own errors, those of its HTTP client and OSError; all mean the same to a user
    return ModelError(
        f"{what} ({type(error).__name__}: {short(error)}); check the name, the network, HF_HUB_OFFLINE and "
        f"your login (hf auth login)"
    )
