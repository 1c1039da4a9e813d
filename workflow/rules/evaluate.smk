# Attention maps against the masks of the embedded data.


def shows_maps(run):
    """Has this run a map, and its dataset masks to compare it with?"""
    return run.model.attention != "none" and run.dataset.has_masks


rule localise:
    input:
        f"{RUN}/result.json",
        "results/data/{dataset}/manifest.json",
    output:
        f"{RUN}/localisation.json",
    log:
        "logs/localise/{dataset}/{model}/{key}/seed-{seed}.log",
    params:
        code=code_hash("aib.evaluation.localisation"),
    message:
        "localisation of {wildcards.model}, seed {wildcards.seed} ({wildcards.key})"
    shell:
        "aib localise $(dirname {output}) results/data/{wildcards.dataset} > {log} 2>&1"


LOCALISATIONS = run_files("localisation.json", filter(shows_maps, PLAN.runs))
