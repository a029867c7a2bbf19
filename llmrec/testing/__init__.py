"""The contract suites: what every recommender must pass, here and in other people's packages.

Subclass one in a test file and write ``make``; pytest runs the rest::

    class TestMine(RecommenderContract):
        def make(self) -> Recommender:
            return MyRecommender(Recipe(name="mine", model="mine", seed=3))

``RankerContract`` is for what ranks without a run of its own, such as a composite of recommenders.
"""

from llmrec.testing.ranker import RankerContract
from llmrec.testing.recommender import RecommenderContract
from llmrec.testing.toy import ndcg, toy_split

__all__ = ["RankerContract", "RecommenderContract", "ndcg", "toy_split"]
