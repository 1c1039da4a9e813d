"""Is a results folder, a file of evidence or a study what it says? Nothing here needs torch.

Every figure that can be computed from what is there is computed again. What a trainer alone could
have made is beyond that: predictions, maps, history and result that were edited together and
consistently are caught by training again (`aib.verification.retraining`), by nothing else.
"""
