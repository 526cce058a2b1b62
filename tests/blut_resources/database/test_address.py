"""What is taken for an address of a database, and that no password is repeated."""

import pytest

from blut_resources.database.address import AddressRefused, asked, parse, read

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgresql://anna@db/blut", "postgresql+psycopg2://anna@db/blut"),
        (" postgres://db:5433/blut\n", "postgresql+psycopg2://db:5433/blut"),
        ("postgresql://anna@[::1]:5433/blut", "postgresql+psycopg2://anna@[::1]:5433/blut"),
        ("postgresql+psycopg2://a%40b@db/c%20d", "postgresql+psycopg2://a%40b@db/c%20d"),
        ("postgresql:///blut?host=/run/pg", "postgresql+psycopg2:///blut?host=%2Frun%2Fpg"),
        ("postgresql://?service=blut", "postgresql+psycopg2:///?service=blut"),
    ],
)
def test_an_address_names_the_driver(text: str, url: str) -> None:
    assert parse(text).url == url
    assert parse(url).url == url
    assert parse(text).words == url.replace("+psycopg2", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"postgresql://anna:{SECRET}@db/blut", "holds a password"),
        (f"postgresql://anna:@db/blut?password={SECRET}", "holds a password"),
        (f"postgresql://anna@db/blut?sslpassword={SECRET}", "holds a password"),
        (f"postgresql://anna:{SECRET}/x@db/blut", "not an address"),
        (f"postgresql://anna:12#{SECRET}@db/blut", "more than a name"),
        (f"anna:{SECRET}@db/blut", "not an address of a PostgreSQL"),
        (f"mysql://anna@db/{SECRET}", "not an address of a PostgreSQL"),
        (f"postgresql://db/blut/{SECRET}", "more than a name"),
        (f"postgresql://[db/{SECRET}", "not an address"),
    ],
)
def test_what_is_refused_is_not_repeated(text: str, why: str) -> None:
    with pytest.raises(AddressRefused, match=why) as caught:
        parse(text, "$BLUT_DATABASE")
    assert SECRET not in str(caught.value) and "$BLUT_DATABASE" in str(caught.value)


def test_a_password_that_somebody_else_wrote_is_used_and_not_shown() -> None:
    found = read(f"postgresql://anna:{SECRET}@db/blut?sslpassword={SECRET}", "dagster.yaml")
    assert SECRET in found.url and SECRET not in found.words


def test_one_database_is_known_by_other_words() -> None:
    anna, bert = parse("postgresql://anna@db/blut"), parse("postgresql://bert@DB:5432/blut")
    assert anna.is_same(bert) and not anna.is_same(parse("postgresql://anna@db/other"))
    assert parse("postgresql:///blut?host=/run").is_same(parse("postgresql://anna@/blut?host=/run"))
    assert not parse("postgresql://db:5433/blut").is_same(anna)


def test_an_empty_variable_asks_for_nothing() -> None:
    assert asked({}) is None and asked({"BLUT_DATABASE": " "}) is None
    found = asked({"BLUT_DATABASE": "postgresql://db/blut"})
    assert found is not None and found.name == "blut"
