"""What rules ask about the trainings of ASI and its family, and about generated queries."""

from collections.abc import Callable, Mapping

from snakemake.io import expand
from snakemake.iocontainers import Wildcards
from workflow.plan import given
from workflow.plan.datasets import GENERATED
from workflow.plan.searched import of_encoder
from workflow.plan.settings import entry, refuse
from workflow.plan.trained import is_read
from workflow.scripts.reads import Lazy
from workflow.scripts.shell import options
from workflow.scripts.variants import LEARNED

from jointir.basics.errors import InputError
from jointir.methods.facts import GENERATIVE, Form

VARIANTS = Lazy(lambda: given.config["asi"]["systems"], entry)
TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
# of what ranks documents; `hybrid`: its first documents ranked anew by an encoder
BASELINE = "data/{dataset}/generative/baselines/{system}/{setting}/{split}.parquet"
# of a model whose identifiers are given
SHAPE = ("indexer", "length", "vocabulary", "decoder", "layers", "width", "prototypes")
# of an entry: not options of the training
OWN = {"train_decoder", "seeds", "start", "beam", "hybrid_beam", "given", "clusters", "expansion"}
OWN |= {*LEARNED}  # whose settings have the name of their stage
FIXED = "fixed-ids"  # the stage of identifiers that nothing learns
# the stages that give identifiers before the decoder is trained, and their modules
GIVEN_BY = {FIXED: "generative.controls", **{kind: f"generative.{kind}" for kind in LEARNED}}


def given_by(variant: str) -> str:
    """Return the stage of GIVEN_BY that gives a variant its identifiers, "" where it learns them.

    What is learned together with the encoder is `asi`'s.
    """
    kind = VARIANTS[variant].get("given", "")
    return kind if kind in LEARNED or not kind else FIXED


def start(variant: str, name: str) -> str:
    """Return the pattern of what the encoder that a variant starts from left under `name`."""
    return f"data/{{dataset}}/{VARIANTS[variant]['start']}/{name}"


def own_docs(wildcards: Wildcards) -> str:
    """Return the file of the documents' embeddings by a variant's own encoder."""
    own = start(wildcards.variant, "docs.npy")
    return own if given_by(wildcards.variant) else f"{TRAINED}/docs.npy"


def dense_encoders() -> dict[str, str]:
    """Return {system: folder} of the model of each baseline that has one."""
    own, forms = given.config["asi"]["dataset"], (Form.ENCODER, Form.EXACT)
    baselines = given.config["asi"]["baselines"]
    dense = [s for s in baselines if given.systems.facts(s).form in forms]
    return {s: f"{of_encoder(s, own)}/model" for s in [*dense, *baselines_by(GENERATIVE)]}


def trained_on_all() -> list[str]:
    """Return the variants whose training saw every document: the others are of table 3 alone."""
    return [v for v, own in VARIANTS.items() if not own["holdout"]]


def baselines_by(group: str) -> list[str]:
    """Return the baselines that rank by words, by vectors, or by what a decoder writes."""
    baselines = given.config["asi"]["baselines"]
    return [s for s in baselines if given.systems.facts(s).group == group]


def told_settings() -> list[str]:
    """Return "name=value" of each setting of ASI++ that a table can show."""
    own = VARIANTS["asi++"]
    told = {k: v for k, v in own.items() if k not in ("train_decoder", "start")}
    told |= {f"train_decoder.{k}": v for k, v in own["train_decoder"].items()}
    return [f"{name}={value}" for name, value in sorted(told.items())]  # as `options` has it


def training_options(wildcards: Wildcards) -> str:
    """Return the options of `jointir asi` that a variant's settings give."""
    return options({k: v for k, v in VARIANTS[wildcards.variant].items() if k not in OWN})


def fitting(*checks: Callable[[Mapping], None]) -> Callable[[Wildcards], list[str]]:
    """Return an input function: no file, or it refuses settings of a variant that do not fit."""

    def asked(wildcards: Wildcards) -> list[str]:
        try:
            for check in checks:
                check(VARIANTS[wildcards.variant])
        except InputError as e:
            where, found, remedy = e.parts
            path = where.split(".")
            origin = given.systems.origin(wildcards.variant, *path)
            refuse(".".join(["systems", origin, *path]), found, remedy)
        return []

    return asked


def given_shape(wildcards: Wildcards) -> str:
    """Return the options that say what model and identifiers are like, where these are given."""
    own = VARIANTS[wildcards.variant]
    tree = {"clusters": own["clusters"]} if "clusters" in own else {}
    return options({name: own[name] for name in SHAPE} | tree)


def given_options(wildcards: Wildcards) -> str:
    """Return the options of how a variant's identifiers are given: which kind, or how learned."""
    own = VARIANTS[wildcards.variant]
    if given_by(wildcards.variant) == FIXED:
        return options({"kind": own["given"]})
    scratch = "data/{dataset}/scratch/{variant}-seed{seed}-ids".format(**dict(wildcards.items()))
    return f"{options(own[own['given']] | {'scratch': scratch})} {shared_options(wildcards)}"


def learned_from(wildcards: Wildcards) -> list[str]:
    """Return the generated queries that given identifiers are learned from, if they are."""
    fixed = given_by(wildcards.variant) == FIXED
    return [] if fixed else expansion(wildcards.variant)


def shared_options(wildcards: Wildcards) -> str:
    """Return the options that a variant's trainings have in common."""
    own = VARIANTS[wildcards.variant]
    return options({name: own[name] for name in ("holdout", "checkpoint_minutes")})


def each_training(pattern: str, only: str = "") -> list[str]:
    """Return `pattern` for every variant and seed.

    only: a setting; variants that do not have it are left out.
    """
    variants = [v for v, own in VARIANTS.items() if not only or own.get(only)]
    return [path for variant in variants for path in of_variant(pattern, variant)]


def of_variant(pattern: str, variant: str) -> list[str]:
    """Return `pattern` for one variant and each of its seeds, of the dataset that is reported."""
    own, seeds = given.config["asi"]["dataset"], entry(variant)["seeds"]
    return expand(str(pattern), dataset=own, variant=variant, seed=seeds)


def asi_curves() -> dict[str, str]:
    """Return {curve: "dataset system setting"} of each training of the systems of ASI's tables."""
    rules, found = given.rules, {}
    for variant in VARIANTS:
        joint = {} if given_by(variant) else {"joint": rules.asi}
        for part, rule in (joint | {"decoder": rules.train_decoder}).items():
            names = of_variant(f"{{dataset}} {{variant}} {part} {{seed}}", variant)
            found |= zip(of_variant(rule.output.out_curve, variant), names, strict=True)
    return found


def generator(wildcards: Wildcards) -> list[str]:
    """Return the generator that the pipeline trains; none where a checkpoint takes its place."""
    trained = not given.config["expand"]["checkpoint"]
    return [given.rules.doc2query.output.out] if trained else []


def expansion_options(wildcards: Wildcards) -> str:
    """Return the options of `jointir expand`: how it writes, and the checkpoint if one writes."""
    own = given.config["expand"]
    named = {} if generator(wildcards) else {"checkpoint": own["checkpoint"]}
    return options(named | {name: own[name] for name in ("queries", "top_k", "depth", "seed")})


def expansion(variant: str) -> list[str]:
    """Return the pattern of the generated queries that a variant is trained on, if it is."""
    return [GENERATED] if VARIANTS[variant]["expansion"] == "doc2query" else []


def generated_queries() -> list[str]:
    """Return the generated queries that some system of ASI's tables reads, if one does."""
    own, baselines = given.config["asi"], given.config["asi"]["baselines"]
    read = any(map(expansion, VARIANTS)) or any(is_read(s, "generated") for s in baselines)
    return [GENERATED.format(dataset=own["dataset"])] if read else []


def vocabularies() -> list[int]:
    """Return V of every training, in the order of `each_training`."""
    return [own["vocabulary"] for own in VARIANTS.values() for _ in own["seeds"]]


def of_baselines(pattern: str, splits: list[str] = given.SPLITS) -> list[str]:
    """Return `pattern` for every system that ranks documents and stands beside the generative.

    Those that an encoder ranks anew come last, as `hybrid`.
    """
    own, names = given.config["asi"]["dataset"], given.config["asi"]["baselines"]
    again = [name for name in names if given.systems.facts(name).rescores]
    return [
        path
        for setting, systems in (("flat", names), ("hybrid", again))
        for path in expand(pattern, dataset=own, system=systems, setting=setting, split=splits)
    ]
