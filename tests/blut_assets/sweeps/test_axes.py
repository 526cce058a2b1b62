"""What an axis on the command line stands for: values of people, with commas, quotes and brackets in them."""

import fnmatch
from collections.abc import Sequence
from typing import Any

import pytest

from blut_assets.sweeps.axes import AxisError, read_axis

OBJECT = {"a": 1, "b": [1, 2]}
READ = [
    ("lr=1e-5,1e-4", (1e-5, 1e-4)),
    ("lr=1e-5", (1e-5,)),
    ("lr= 1 , 2 ", (1, 2)),
    ("lr=1,1.0,1e0", (1,)),
    ("flag=true,false", (True, False)),
    ("flag=true,1", (True, 1)),
    ("note=null,none", (None, "none")),
    ("note=", None),
    ("note=1,,2", None),
    ("note=1,", None),
    ('note="",a', ("", "a")),
    ("edf_root=synthetic:subjects=3,seconds=30", ("synthetic:subjects=3", "seconds=30")),
    (r"edf_root=synthetic:subjects=3\,seconds=30\,seed=0", ("synthetic:subjects=3,seconds=30,seed=0",)),
    ('edf_root="synthetic:subjects=3,seconds=30"', ("synthetic:subjects=3,seconds=30",)),
    ("edf_root='synthetic:a=1,b=2',plain", ("synthetic:a=1,b=2", "plain")),
    ("path=/a=b.ckpt", ("/a=b.ckpt",)),
    ("path=/a=b.ckpt,/c=d.ckpt", ("/a=b.ckpt", "/c=d.ckpt")),
    ("path=/Ätsch/Größe.edf,/naïve", ("/Ätsch/Größe.edf", "/naïve")),
    ("path=/it's/here", ("/it's/here",)),
    ('path=/say "hi"/x', ('/say "hi"/x',)),
    ("path=/a(1,2)", ("/a(1", "2)")),
    (r"path=/a(1\,2)", ("/a(1,2)",)),
    (r"path=C:\data\x", (r"C:\data\x",)),
    ("path={partition}.edf,/x/{partition}", ("{partition}.edf", "/x/{partition}")),
    ("path=[1].edf", ("[1].edf",)),
    ('x={"a":1,"b":[1,2]}', (OBJECT,)),
    ('x={"a":1,"b":[1,2]},{"a":2}', (OBJECT, {"a": 2})),
    ('x={"a":1,"b":[1,2]} , 3', (OBJECT, 3)),
    ('x={"a":1', None),
    ("layers=[1,2],[3,4]", ([1, 2], [3, 4])),
    ('names=["a,b","c"]', (["a,b", "c"],)),
    ("layers=[1,2]x", None),
    ("limits.memory_max=1G,2G", ("1G", "2G")),
    ('name="1","2"', ("1", "2")),
    ("name='a\\'b','c'", ("a'b", "c")),
    ('name="open', None),
    ('name="a" b', None),
    ("seed=range(4)", (0, 1, 2, 3)),
    ("seed=range(1,4)", (1, 2, 3)),
    ("seed=range( 1 , 10 , 3 )", (1, 4, 7)),
    ("seed=range(3,0,-1)", (3, 2, 1)),
    ("lr=range(0.1,0.5,0.1)", (0.1, 0.2, 0.3, 0.4)),
    ("lr=range(0,1,0.25)", (0.0, 0.25, 0.5, 0.75)),
    ("lr=range(1e-5,3e-5,1e-5)", (1e-5, 2e-5)),
    ("seed=range(1,1)", None),
    ("seed=range(1,2,0)", None),
    ("seed=range(a,b)", None),
    ("seed=range(1,2,3,4)", None),
    ("seed=range(0,1e9)", None),
    ("seed=range(0,nan)", None),
    ("seed=range(0,1e999999,1e-999999)", None),
    ('base=choice("a,b","c")', ("a,b", "c")),
    ('base=choice("range(1,2)")', ("range(1,2)",)),
    ("base=choice()", None),
    ("base=choices(1)", ("choices(1)",)),
    ("seed=range(3),7", None),
    ("base=a,choice(b,c)", None),
    ('base=a,"choice(b)"', ("a", "choice(b)")),
    ("seed=range(1e400)", None),
    ("preset=glob(f*)", ("fast", "full")),
    ('preset=glob("f*")', ("fast", "full")),
    ("preset=glob(x*)", None),
    ("preset=glob(*,exclude=f*)", ("slow",)),
    ("preset=glob([s*,fu*])", ("slow", "full")),
    ("preset=glob(include=*, exclude=[*st, 'sl*'])", ("full",)),
    ("preset=glob([fs]*)", ("fast", "full", "slow")),
    ("preset=glob(f*,exclude=*)", None),
    ("preset=glob(f*,exclude=x*)", None),
    ("preset=glob(f*,s*)", None),
    ("preset=glob(f*,s*,exclude=x)", None),
    ("preset=glob(exclude=x*)", None),
    ("preset=glob()", None),
    ("=1", None),
    ("lr", None),
    ("a..b=1", None),
    (" lr=1", None),
]


def matching(key: str, pattern: str) -> Sequence[Any]:
    """What `glob` finds, of three names."""
    return fnmatch.filter(("fast", "full", "slow"), pattern) if key == "preset" else ()


@pytest.mark.parametrize(("text", "values"), READ, ids=[text for text, _ in READ])
def test_an_axis_is_what_it_says_or_is_refused_by_name(text: str, values: tuple[Any, ...] | None) -> None:
    if values is None:
        with pytest.raises(AxisError) as told:
            read_axis(text, matching)
        assert text.strip() in str(told.value).strip() and "Traceback" not in str(told.value)
        assert len(str(told.value)) < 200
        return
    found = read_axis(text, matching)
    assert found.key == text.partition("=")[0]
    assert found.values == values and [*map(type, found.values)] == [*map(type, values)]


def test_the_numbers_of_a_long_range_do_not_drift() -> None:
    found = read_axis("lr=range(0,1000,0.1)", matching).values
    assert len(found) == 10_000 and found[9_999] == 999.9 and found[3] == 0.3
