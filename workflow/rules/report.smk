# Statistics, figures and the page, from records alone.
STUDY_FILE = f"params/studies/{STUDY}.yaml"
MIXED = "--allow-mixed-code" if config.get("allow_mixed_code") else ""


rule report:
    input:
        STUDY_FILE,
        rules.runs.input,
        LOCALISATIONS,
    output:
        f"reports/{STUDY}/index.html",
        f"reports/{STUDY}/summary.json",
    log:
        f"logs/report/{STUDY}.log",
    benchmark:
        f"logs/benchmarks/report/{STUDY}.tsv"
    params:
        code=code_hash("aib.reporting.page"),
    message:
        "writing {output[0]}"
    shell:
        "aib report {STUDY} {MIXED} > {log} 2>&1"
