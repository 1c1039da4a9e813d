# The pilot of a study: `snakemake --cores all pilot --config study=NAME`, before a large one.


rule pilot:
    input:
        run_files("result.json", PILOT) if PILOT else [],
    output:
        f"reports/{STUDY}/pilot.json",
    log:
        f"logs/pilot/{STUDY}.log",
    localrule: True
    params:
        study=STUDY,
        code=TRAINING_CODE,
    message:
        "judging the pilot of {params.study}"
    shell:
        "aib pilot {params.study} 2>&1 | tee {log}"
