import importlib, importlib.metadata as metadata, json, os, re, sys

# What a module prints, from Python or from C, is no line of ours.
out = os.dup(1)
os.dup2(2, 1)


def tell(**line):
    os.write(out, (json.dumps(line) + "\n").encode())


def parsed(text):
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        try:
            from packaging.requirements import Requirement
        except ImportError:
            return None
    try:
        return Requirement(text)
    except Exception:
        return None


def modules(distribution):
    named = distribution.read_text("top_level.txt")
    names = set(named.split()) if named else set()
    if not names:
        for file in distribution.files or []:
            first = file.parts[0]
            if first in ("..", "__pycache__") or first.endswith((".dist-info", ".egg-info", ".data", ".libs", ".pth")):
                continue
            if len(file.parts) > 1:
                if file.suffix in (".py", ".so"):
                    names.add(first)
            elif file.suffix == ".py" or file.suffix == ".so":
                names.add(first.split(".")[0])
    public = {name for name in names if not name.startswith("_")}
    return sorted(name for name in public or names if re.fullmatch(r"\w+", name))


def seen(name, text):
    requirement = parsed(text)
    if requirement is not None and requirement.marker is not None and not requirement.marker.evaluate():
        return dict(kind="excluded")
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        # Without `packaging` nobody here can tell whether the marker excludes it.
        if requirement is None and ";" in text:
            return dict(kind="uncompared")
        return dict(kind="absent", error="not installed")
    version = distribution.version
    if requirement is not None and requirement.specifier and not requirement.specifier.contains(version, prereleases=True):
        return dict(kind="version", version=version, error="wanted " + str(requirement.specifier))
    try:
        for module in modules(distribution):
            importlib.import_module(module)
    except BaseException as error:
        return dict(kind="import", version=version, error="%s: %s" % (type(error).__name__, str(error)[:500]))
    compared = requirement is not None or name == text
    return dict(kind="imported" if compared else "uncompared", version=version)


answered, bad = 0, None
for text in json.loads(sys.argv[1]):
    name = re.match(r"[A-Za-z0-9._-]*[A-Za-z0-9]", text).group(0)
    tell(name=name)
    line = seen(name, text)
    tell(name=name, **line)
    answered += 1
    if bad is None and "error" in line:
        bad = dict(name=name, **line)
# Of a long answer the middle may be lost: what counts is said again at its end.
if bad is not None:
    tell(**bad)
tell(answered=answered)
sys.exit(bad is not None)
