import importlib, importlib.metadata as metadata, json, re, sys


def tell(**line):
    sys.__stdout__.write(json.dumps(line) + "\n")
    sys.__stdout__.flush()


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


for text in json.loads(sys.argv[1]):
    name = re.match(r"[A-Za-z0-9._-]*[A-Za-z0-9]", text).group(0)
    requirement = parsed(text)
    if requirement is not None and requirement.marker is not None and not requirement.marker.evaluate():
        continue
    tell(name=name)
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        tell(name=name, kind="absent", error="not installed")
        continue
    version = distribution.version
    if requirement is not None and requirement.specifier and not requirement.specifier.contains(version, prereleases=True):
        tell(name=name, kind="version", version=version, error="wanted " + str(requirement.specifier))
        continue
    try:
        # What a module prints is no line of ours.
        sys.stdout = sys.stderr
        for module in modules(distribution):
            importlib.import_module(module)
        tell(name=name, kind="imported", version=version)
    except BaseException as error:
        tell(name=name, kind="import", version=version, error="%s: %s" % (type(error).__name__, str(error)[:500]))
