"""Writes what Python's own `packaging` says of each requirement below: `yes` or `no`, and the text as JSON.

Usage: python3 record.py > verdicts.txt
"""

import json

from packaging.requirements import InvalidRequirement, Requirement

NAMES = ["a", "A1", "pyodbc", "zope.interface", "ruamel.yaml.clib", "a-b_c.d", "Foo__Bar", "0x", "-a", "a-", "_a", "a_",
         ".a", "a.", "é", "", " ", "a b", "a/b", "a--b"]
VERSIONS = ["1", "1.0", "01.2", "v1.2", "V1", "1!2.0", "1!", "1.2.3.4.5", "1.*", "1.2.*", "1.0a1", "1.0.a1", "1.0-a.1",
            "1.0alpha", "1.0_beta_2", "1.0c1", "1.0rc1", "1.0preview3", "1.0pre", "1.0.post1", "1.0-1", "1.0-r4", "1.0rev",
            "1.0post.2", "1.0.dev3", "1.0dev", "1.0a1.dev2", "1.0.post1.dev2", "1.0+abc", "1.0+abc.5-x_y", "1.0+", "1.0+a.",
            "1.0a.*", "1.*.2", "1..0", ".1", "x", "1.0x", "1.0-", "", "1.0+ubuntu.*", "1 .0"]
OPERATORS = ["==", ">=", "<", "!=", "~=", "===", "<=", ">", "=", "=>", "~", "!"]
SHAPES = ["a>=1,<2", "a >= 1 , < 2", "a>=1 <2", "a>=1,", "a,>=1", "a(>=1)", "a (>=1,<2)", "a (>=1", "a >=1)", "a()", "a ( )",
          "a[x]", "a[x,y]", "a[ x , y ]", "a[]", "a[ ]", "a[x", "a[x,]", "a[,x]", "a[x y]", "a[-x]", "a[x]>=1", "a [x] >=1",
          "a[x][y]", "a[x](>=1)", "a@b", "a @ https://example.com/a.whl", "a@https://example.com/a.whl",
          "a[x] @ https://example.com/a.whl", "a @ https://e/a.whl ; os_name=='x'", "a @ https://e/a.whl;os_name=='x'",
          "a @", "a @ ", "a @ https://e/a b", "a @ file:///tmp/a.whl", "a @ git+https://e/r.git@v1#egg=a",
          "a>=1 @ https://e", "git+https://e/a", "https://e/a.whl", "./a.whl", "-r x.txt", "a # c", "a;", "a ;", "a>=1;",
          " a", "a ", "\ta\t", "\na", "a\n", "a\r\n", "a>=1\n", "a\\", "a==1 --hash=sha256:0", "a>=$X", "a>='1'", "a>1.0,==2.*",
          "a===weird!", "a===1.0 ", "a=== 1", "a===", "a===1;os_name=='x'", "a===1,<2"]
MARKERS = ["python_version<'3.12'", "python_version < \"3.12\"", "os_name=='posix'", "os.name=='posix'", "sys.platform=='x'",
           "platform.machine=='x'", "platform_machine=='x'", "python_implementation=='CPython'", "extra=='x'", "extras=='x'",
           "'x' in extras", "'x' in dependency_groups", "implementation_name=='cpython'", "platform_release>='5'",
           "platform.version>='5'", "platform.release=='x'", "python.version=='3'", "'3'<python_version", "'a'=='b'",
           "os_name==sys_platform", "os_name in 'a b'", "os_name not in 'a b'", "os_name notin 'a'", "os_name not 'a'",
           "os_name", "os_name==", "os_name=='a", "os_name==a", "foo=='x'", "os_name='x'", "os_name<>'x'", "os_name~='1.0'",
           "os_name==='x'", "os_name=='a' and os_name=='b'", "os_name=='a' or os_name=='b' and os_name=='c'",
           "(os_name=='a')", "( os_name=='a' or os_name=='b' ) and os_name=='c'", "((os_name=='a'))", "(os_name=='a'",
           "os_name=='a')", "()", "os_name=='a' and", "and os_name=='a'", "os_name=='a' os_name=='b'", "os_name=='a'and os_name=='b'",
           "os_name=='a' AND os_name=='b'", "os_name in'a'", "os_name=='a\"b'", "os_name==\"a'b\"", "not os_name=='a'",
           "os_name=='a'or(os_name=='b')", "os_name  not  in  'a'", "os_name=='é'", "extra==''", "python_full_version>='3'",
           "os_name=='a' # c", "os_name=='a';os_name=='b'"]


def texts():
    yield from NAMES
    for version in VERSIONS:
        yield f"a=={version}"
        yield f"a>={version}"
        yield f"a~={version}"
    for operator in OPERATORS:
        yield f"a{operator}1.2"
        yield f"a {operator} 1.2"
        yield f"a{operator}1.2.*"
        yield f"a{operator}1+x"
    yield from SHAPES
    for marker in MARKERS:
        yield f"a;{marker}"
        yield f"a>=1 ; {marker}"


def verdict(text):
    try:
        Requirement(text)
    except InvalidRequirement:
        return "no"
    return "yes"


for text in dict.fromkeys(texts()):
    print(verdict(text), json.dumps(text))
