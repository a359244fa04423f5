"""Reading of a configuration, and of what is wrong with it."""

import pytest

from tests.config.files import ENVIRONMENT
from trio_voice.config.reading import read_settings
from trio_voice.errors import ConfigError


@pytest.fixture
def environment():
    """The credentials, where a test names no others."""
    return ENVIRONMENT


@pytest.fixture
def read(tmp_path, environment):
    def read(text, environment=environment):
        file = tmp_path / "config.toml"
        file.write_text(text)
        return read_settings(file, environment)

    return read


@pytest.fixture
def problems(read, tmp_path, environment):
    def problems(text, environment=environment):
        with pytest.raises(ConfigError) as wrong:
            read(text, environment)
        prefix = f"{tmp_path / 'config.toml'}: "
        assert all(line.startswith(prefix) for line in wrong.value.problems)
        return [line.removeprefix(prefix) for line in wrong.value.problems]

    return problems
