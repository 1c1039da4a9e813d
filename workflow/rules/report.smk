# Statistics, figures and the page, from records alone.


rule report:
    input:
        f"params/studies/{STUDY}.yaml",
        "params/published.yaml",
        TEMPLATES,
        all_runs,
    output:
        f"reports/{STUDY}/index.html",
        f"reports/{STUDY}/summary.json",
    log:
        f"logs/report/{STUDY}.log",
    benchmark:
        f"logs/benchmarks/report/{STUDY}.tsv"
    resources:
        runtime=lambda wildcards, attempt: attempt * 60,
        mem_mb=lambda wildcards, attempt: attempt * 4000,
    params:
        study=STUDY,
        mixed="--allow-mixed-code" if CONFIG.allow_mixed_code else "",
        code=lambda wildcards: [code_hash(module) for module in (REPORT, *TELLERS)],
    message:
        "writing {output[0]}"
    shell:
        "aib report {params.study} {params.mixed} > {log} 2>&1"
