from workflow.plan.stages import all_stages

# One DVC stage and one target rule stage_<name> each, in order.

STAGES = all_stages()

for _stage, _what in STAGES.items():

    rule:
        name:
            f"stage_{_stage}"
        input:
            _what.targets(),
        localrule: True
