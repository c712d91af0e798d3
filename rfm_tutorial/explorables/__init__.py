"""What readers drag: one interaction in JupyterLab with a kernel and on the website without one.

Each explorable is a widget. Where a cell ends in one, it is shown; its `sentence` says in words
what it shows. The website needs no kernel for them: they compute in the page. Only the
`Laboratory` runs the package itself; where there is no kernel, it is a picture. `Guesses` keeps in
the reader's browser what the reader expects, `Record` what the reader tried and saw; `Questions`
answers to what the reader chooses.
"""

from rfm_tutorial.explorables.answer import GuessAnswer
from rfm_tutorial.explorables.fourier_clocks import FourierClocks
from rfm_tutorial.explorables.grok import WatchItGrok
from rfm_tutorial.explorables.guesses import Guess, Guesses
from rfm_tutorial.explorables.laboratory import Laboratory
from rfm_tutorial.explorables.paint import PaintCirculant
from rfm_tutorial.explorables.questions import Question, Questions
from rfm_tutorial.explorables.recap import GuessRecap
from rfm_tutorial.explorables.record import Record
from rfm_tutorial.explorables.rfm_in_page import RFMInPage
from rfm_tutorial.explorables.shuffle import DiscreteLogShuffle
from rfm_tutorial.explorables.trap import SymmetryTrap
from rfm_tutorial.explorables.which_tables import WhichTables

__all__ = [
    "DiscreteLogShuffle",
    "FourierClocks",
    "Guess",
    "GuessAnswer",
    "GuessRecap",
    "Guesses",
    "Laboratory",
    "PaintCirculant",
    "Question",
    "Questions",
    "RFMInPage",
    "Record",
    "SymmetryTrap",
    "WatchItGrok",
    "WhichTables",
]
