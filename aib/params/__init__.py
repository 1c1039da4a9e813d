"""Typed parameters: what params/*.yaml may say, checked before anything runs.

Every file of `params/` has one model here; the JSON schemas in `params/schema/` are generated
from these models. `load(root)` reads and cross-checks all of it. Any mistake is a `ParameterError`,
one line that names the file, the key, what was found, and the nearest valid name. It is raised, but
for one in a study: that is raised by what asks for the study.
"""

from aib.params.checking import ParameterError, check, nearest, read_yaml, set_dotted
from aib.params.datasets import (
    RELEASED_NORMALISATIONS,
    ArchiveDataset,
    ClutterDataset,
    Dataset,
    FolderDataset,
)
from aib.params.downloads import Download
from aib.params.label_maps import LabelMap
from aib.params.loading import Parameters, check_claims, load, write_schemas
from aib.params.protocols import Protocol, Scale
from aib.params.published import Published
from aib.params.studies import Study, WorkflowConfig
