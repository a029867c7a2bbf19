"""What users do with items besides choosing them: tasks, count features, binned event fields."""

from llmrec.data.responses.count_features import CountFeatures
from llmrec.data.responses.field_bins import EventBins, FieldBins
from llmrec.data.responses.queries import ResponseQueries
from llmrec.data.responses.task import TASKS, ClassTask, EventLog, NumberTask, Task, TaskSpec, register_task
from llmrec.data.responses.task_set import Targets, TaskSet
from llmrec.data.responses.tasks import ActionTask, BehaviorTask, GapTask, PurchaseTask, RatingTask, ValueTask

__all__ = [
    "TASKS",
    "ActionTask",
    "BehaviorTask",
    "ClassTask",
    "CountFeatures",
    "EventBins",
    "EventLog",
    "FieldBins",
    "GapTask",
    "NumberTask",
    "PurchaseTask",
    "RatingTask",
    "ResponseQueries",
    "Targets",
    "Task",
    "TaskSet",
    "TaskSpec",
    "ValueTask",
    "register_task",
]
