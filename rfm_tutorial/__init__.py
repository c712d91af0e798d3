"""Recursive Feature Machines that grok modular arithmetic, and the tools to see why."""

from rfm_tutorial.checks import NotFittedError
from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    impose_circulant,
    project_circulant,
    project_hankel,
)
from rfm_tutorial.datasets import Dataset, Split
from rfm_tutorial.distances import median_distance
from rfm_tutorial.features import (
    random_block_features,
    random_circulant_features,
)
from rfm_tutorial.fourier import dominant_frequencies, fourier_multiplication, spectrum
from rfm_tutorial.gradients import agop, per_output_agop, predictor_agop, predictor_fact
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel, LaplaceKernel, QuadraticKernel
from rfm_tutorial.learners import recursive_features
from rfm_tutorial.linalg import SingularKernelError, psd_power
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.networks import QuadraticNetwork, ReLUNetwork
from rfm_tutorial.neural_features import (
    agop_trace,
    fact_matrix,
    network_agop,
    neural_feature_matrix,
    nfa_correlation,
)
from rfm_tutorial.number_theory import discrete_log_order, primitive_root
from rfm_tutorial.operations import OPERATIONS
from rfm_tutorial.orbit_rfm import OrbitRFM
from rfm_tutorial.orbit_splits import OrbitSplit
from rfm_tutorial.orbit_steps import OrbitStep
from rfm_tutorial.rfm import RFM, RFMStep
from rfm_tutorial.structure import agop_alignment, class_deviation, class_means, orbits
from rfm_tutorial.tasks import ModularTask, MultiTask, Task
from rfm_tutorial.training import EpochRecord, train_network, transform_inputs

__version__ = "0.1.0"

__all__ = [
    "OPERATIONS",
    "RFM",
    "Dataset",
    "EpochRecord",
    "GaussianKernel",
    "KernelRidge",
    "LaplaceKernel",
    "ModularTask",
    "MultiTask",
    "NotFittedError",
    "OrbitRFM",
    "OrbitSplit",
    "OrbitStep",
    "QuadraticKernel",
    "QuadraticNetwork",
    "RFMStep",
    "ReLUNetwork",
    "SingularKernelError",
    "Split",
    "Task",
    "accuracy",
    "agop",
    "agop_alignment",
    "agop_trace",
    "circulant_block",
    "circulant_deviation",
    "class_deviation",
    "class_means",
    "discrete_log_order",
    "dominant_frequencies",
    "fact_matrix",
    "fourier_multiplication",
    "impose_circulant",
    "median_distance",
    "network_agop",
    "neural_feature_matrix",
    "nfa_correlation",
    "orbits",
    "per_output_agop",
    "predictor_agop",
    "predictor_fact",
    "primitive_root",
    "project_circulant",
    "project_hankel",
    "psd_power",
    "random_block_features",
    "random_circulant_features",
    "recursive_features",
    "spectrum",
    "train_network",
    "transform_inputs",
]
