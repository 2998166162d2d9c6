"""Checkpoints: what is saved, how a save becomes real, and which one a run continues from.

training/<digest>/
    generations/0001.json                      a line of saves; `--fresh` opens the next
    checkpoints/0001-000000012800/             generation, samples seen
        model.safetensors  optimiser.safetensors  state.json  model.json
        manifest.json                          last: a checkpoint exists when its manifest does
        scores.json                            once it was evaluated
    history/0001-000000012800.jsonl            the curve up to that checkpoint, since the one before
    ledger/0001-0001.json                      one small object an attempt
    reports/0001.json                          written when the run is complete
"""
