"""What each member of a stack is worth: the stack, every member alone, and the stack without one of them.

python eval/experiments/ablation.py RECIPE_OR_RUN [--data DIR] [--users SHARE] [--without NAME[,NAME] ...]
[--add MEMBER ...]
The stack is fitted in runs/baselines/DATA/, where one is continued, or is the folder of a finished run. Members
are not fitted anew: without one of them the others are weighed again on the same validation answers. By default
each is left out in turn, then all networks, then all rules. p is of the difference to the whole stack, by Holm
over all rows. With --add further members, written as in a recipe, are fitted in the sizes that the log says, and
the whole stack is the one that has them, too. Writes ablation-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Recipe, Split, evaluate, fit, load
from llmrec.models import Recommender, StackedRecommender
from llmrec.models.stacking.members import member_recipes
from llmrec.models.stacking.sizes import Sizes


def groups_of(stack: StackedRecommender) -> list[list[str]]:
    """List what is left out in turn: each member, all networks, all rules."""
    names = [member.recipe.name for member in stack.members]
    networks = [member.recipe.name for member in stack.members if member.scores_are_logits]
    rules = [name for name in names if name not in networks]
    several = [group for group in (networks, rules) if 1 < len(group) < len(names)]
    return [*([name] for name in names), *several]


def without(stack: StackedRecommender, names: list[str], split: Split) -> StackedRecommender:
    """Weigh the other members again."""
    return StackedRecommender.of([one for one in stack.members if one.recipe.name not in names], split)


def with_more(
    stack: StackedRecommender, written: list[str], data: Dataset, split: Split, folder: Path
) -> StackedRecommender:
    """Fit further members, or load their runs in ``folder``, and weigh all together."""
    recipes = member_recipes(written, seed=stack.recipe.seed, sizes=Sizes.of(split.train))
    more = [fit(recipe, data, split, folder / recipe.name, resume=True) for recipe in recipes]
    return StackedRecommender.of([*stack.members, *more], split, name=stack.recipe.name)


def main() -> None:
    """Fit or load, leave out, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("stack", help="a stacked recipe, or the folder of a finished run")
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users, the same ones every time")
    parser.add_argument("--without", nargs="+", metavar="NAME[,NAME]", help="instead of each in turn")
    parser.add_argument(
        "--add", nargs="+", metavar="MEMBER", help='further members, such as "gru-text train.epochs=9"'
    )
    args = parser.parse_args()
    data = open_data(args.data, users=args.users)
    split = Split.leave_last_out(data)
    new = Path("runs/baselines") / data.name / args.stack
    finished = Path(args.stack).is_dir()
    stack = load(args.stack) if finished else fit(Recipe.load(args.stack), data, split, new, resume=True)
    if not isinstance(stack, StackedRecommender) or len(stack.members) < 2:
        parser.error(f"{args.stack} is no stack of two members or more")
    if args.add:
        stack = with_more(stack, args.add, data, split, Path("runs/baselines") / data.name)
    groups = [group.split(",") for group in args.without] if args.without else groups_of(stack)
    members: dict[str, Recommender] = {member.recipe.name: member for member in stack.members}
    if unknown := {name for group in groups for name in group} - members.keys():
        parser.error(f"no member {', '.join(sorted(unknown))}; there are {', '.join(members)}")
    less = {f"without {', '.join(group)}": without(stack, group, split) for group in groups}
    report = evaluate({stack.recipe.name: stack, **less, **members}, split, progress=True)
    Console().print(report)
    reached = stack.metadata["stack"]
    rows = [
        {"member": name, "mean weight at the top": weight, "valid_ndcg@10": alone}
        for name, weight, alone in zip(
            reached["members"], reached["weights"], reached["valid_ndcg@10"]["members"], strict=True
        )
    ]
    sections = {"Weights of the members, and each alone on validation": rows}
    write_result(args.out / f"ablation-{data.name}.json", sections, report=report)


if __name__ == "__main__":
    main()
