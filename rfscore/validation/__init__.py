"""Claims of papers, checked: a table of sentences, a small function behind each, and a verdict that is computed."""

from rfscore.validation.evidence import Comparison as Comparison
from rfscore.validation.evidence import NotTestable as NotTestable
from rfscore.validation.evidence import Verdict as Verdict
from rfscore.validation.evidence import judge as judge
from rfscore.validation.paper import Claim as Claim
from rfscore.validation.paper import Paper as Paper
from rfscore.validation.paper import all_papers as all_papers
from rfscore.validation.runner import Result as Result
from rfscore.validation.runner import validate as validate
