# From a claim to evidence: data -> runs -> evaluation -> report, for one study of params/studies/.
#
#   snakemake --cores 2                             study quick
#   snakemake --cores 2 --config study=cifar10-smoke
#   snakemake --cores 2 block --config study=NAME   one block of seeds, in a study with looks
#
# Keys of --config: study, device (auto, cpu, cuda), trainings_per_gpu, allow_mixed_code, archives.
from snakemake.utils import min_version

min_version("9.19")


# The environment of the Containerfile, made as docs/storage.md says; without
# `--software-deployment-method apptainer` nobody looks for it.
container: "aib.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/pilot.smk"
include: "workflow/rules/block.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tracking.smk"


# The runs stand here by name: the committed reports exist in a clean clone, the runs do not.
rule all:
    default_target: True
    input:
        all_runs,
        rules.report.output,
        rules.track.output,
    localrule: True
