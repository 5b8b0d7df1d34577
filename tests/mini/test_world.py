from reset_pl.mini.world import KINDS, NAMES, RELATION_OF_VALUE, RELATIONS, stereotype


def test_names_of_splits_do_not_overlap():
    train, validation, test = (set(NAMES[split]) for split in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_no_value_belongs_to_two_relations():
    assert len(RELATION_OF_VALUE) == sum(len(relation.values) for relation in RELATIONS)


def test_stereotypes_differ_between_kinds():
    for relation in RELATIONS:
        assert len({stereotype(kind, relation) for kind in KINDS}) == len(KINDS)
