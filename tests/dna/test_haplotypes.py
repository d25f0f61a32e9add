"""Haplotypes written into genes' sequences are those that bcftools writes; what cannot be written is named."""

import gzip
import itertools
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.dna import (
    Genome,
    Haplotypes,
    allele_checks,
    check_alleles,
    haplotype_sequences,
    read_genome,
    reference_sequences,
)
from scomics_lite.twas import read_vcf
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """A genome, people's haplotypes, genes, and bcftools' sequences by gene, person and haplotype."""
    folder = tmp_path_factory.mktemp("peer")
    shutil.copy(REFERENCE / "haplotypes.fa.gz", folder)
    table = pd.read_csv(REFERENCE / "haplotypes_bcftools.tsv.gz", sep="\t", keep_default_na=False)
    genes = table.drop_duplicates("gene").set_index("gene")[["chromosome", "tss", "strand", "length"]]
    sequences = table.set_index(["gene", "person", "haplotype"])["sequence"]
    return read_genome(folder / "haplotypes.fa.gz"), read_vcf(REFERENCE / "haplotypes.vcf.gz"), genes, sequences


def study(letters, variants, first, second, people=("ann", "bo")):
    """A genome of one chromosome, and people's haplotypes; variants come as ``id position ref alt``."""
    names, positions, refs, effs = zip(*(variant.split() for variant in variants), strict=True)
    var = {"chromosome": "1", "position": [int(place) for place in positions], "ref_allele": refs, "eff_allele": effs}
    layers = {"haplotype1": np.int8(first), "haplotype2": np.int8(second)}
    X = np.float32(layers["haplotype1"] + layers["haplotype2"])
    obs = pd.DataFrame(index=list(people))
    return Genome({"1": letters}), anndata.AnnData(X, obs=obs, var=pd.DataFrame(var, index=names), layers=layers)


def gene(tss, strand="+"):
    return pd.Series({"chromosome": "1", "strand": strand, "tss": tss}, name="g1")


# --- the same as bcftools ---------------------------------------------------------------------------------------------


def test_every_haplotype_is_what_bcftools_writes(peer):
    genome, dosages, genes, expected = peer
    panel, compared = Haplotypes(dosages), 0
    for name, row in genes.drop(["g2", "g19"]).iterrows():
        found = haplotype_sequences(genome, row, panel, int(row["length"]))
        theirs = np.array([[expected[name, person, side] for side in (1, 2)] for person in found.people], dtype=object)
        np.testing.assert_array_equal(np.array(found.sequences, dtype=object)[found.index], theirs)
        assert found.sequences[0] == reference_sequences(genome, genes.loc[[name]], int(row["length"])).iloc[0]
        assert len(set(found.sequences)) == len(found.sequences)
        compared += theirs.size
    assert compared == 220


@pytest.mark.parametrize("name", ["g2", "g19"])
def test_a_deletion_that_takes_the_start_away_is_refused_and_leaving_it_out_works(peer, name):
    genome, dosages, genes, expected = peer
    person, side = expected[name][expected[name] == "NA"].index[0]
    with pytest.raises(InputError, match=rf"haplotype {side} of person '{person}' lacks the transcription") as refused:
        haplotype_sequences(genome, genes.loc[name], dosages, 400)
    variant = str(refused.value).split("variant '")[1].split("'")[0]
    kept = dosages[:, dosages.var_names != variant]
    assert haplotype_sequences(genome, genes.loc[name], kept, 400).index.shape == (5, 2)


def test_swapped_alleles_give_the_same_sequences(peer):
    genome, dosages, genes, _ = peer
    is_snp = dosages.var[["ref_allele", "eff_allele"]].apply(lambda column: column.str.len()).max(axis=1) == 1
    snps = dosages[:, is_snp].copy()
    turned = snps.copy()
    some = np.arange(snps.n_vars) % 3 == 0
    turned.X[:, some] = 2 - turned.X[:, some]
    for layer in ("haplotype1", "haplotype2"):
        turned.layers[layer][:, some] = 1 - turned.layers[layer][:, some]
    columns = ["ref_allele", "eff_allele"]
    turned.var.loc[some, columns] = turned.var.loc[some, columns[::-1]].to_numpy()
    swapped = 0
    for _, row in genes.iterrows():
        plain, other = (haplotype_sequences(genome, row, one, 400) for one in (snps, turned))
        swapped += other.swapped
        assert plain.swapped == 0
        assert other.variants.isin(plain.variants).all()
        assert [other.sequences[i] for i in other.index.flat] == [plain.sequences[i] for i in plain.index.flat]
    assert swapped > 50
    checked = check_alleles(genome, turned)
    assert (checked["has"] == np.where(some, "eff_allele", "ref_allele")).all()
    assert checked["fits"].all()


def test_the_order_of_variants_in_the_table_does_not_matter(peer):
    genome, dosages, genes, _ = peer
    shuffled = dosages[:, np.random.default_rng(1).permutation(dosages.n_vars)]
    for name in ("g0", "g1"):
        one, other = (haplotype_sequences(genome, genes.loc[name], each, 1000) for each in (dosages, shuffled))
        assert sorted(one.sequences) == sorted(other.sequences)
        assert [one.sequences[i] for i in one.index.flat] == [other.sequences[i] for i in other.index.flat]


# --- small cases by hand ----------------------------------------------------------------------------------------------


def test_the_start_keeps_its_place():
    letters = "AAAACCCCGTTTTGGGGA"  # the G at 9
    variants = ["del 3 AAC A", "ins 10 T TCAC", "snp 9 G A"]
    genome, dosages = study(letters, variants, [[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]])
    found = haplotype_sequences(genome, gene(9), dosages, 9)
    written = [[found.sequences[i] for i in row] for row in found.index]
    assert found.sequences[0] == "CCCCGTTTT"
    assert written == [["ACCCGTTTT", "CCCCATTTT"], ["CCCCGTCAC", "ACCCATCAC"]]
    backward = haplotype_sequences(genome, gene(9, "-"), dosages, 9)
    assert [backward.sequences[i] for i in backward.index[1]] == ["GTGACGGGG", "GTGATGGGT"]


def test_variants_beyond_the_window_count_where_a_deletion_lets_them_in():
    genome, dosages = study("AAAACCCCGTTTTGGGGA", ["far 3 A T", "del 5 CCC C"], [[1, 1], [1, 0]], [[0, 1], [0, 0]])
    found = haplotype_sequences(genome, gene(9), dosages, 9)
    assert [[found.sequences[i] for i in row] for row in found.index] == [["TACCGTTTT", "AACCGTTTT"], ["CCCCGTTTT"] * 2]
    assert found.variants.tolist() == ["far", "del"]


def test_a_shared_first_base_is_no_part_of_a_deletion():
    genome, dosages = study("AAAACCCCGTTTTGGGGA", ["snp 6 C T", "del 6 CC C"], [[1, 1]], [[0, 1]], ["ann"])
    found = haplotype_sequences(genome, gene(9), dosages, 7)
    assert [found.sequences[i] for i in found.index[0]] == ["CTCGTTT", "CCCGTTT"]


def test_alleles_of_the_same_length_are_several_snps():
    genome, dosages = study("AAAACCCCGTTTTGGGGA", ["two 8 CG GA"], [[1]], [[0]], ["ann"])
    assert haplotype_sequences(genome, gene(9), dosages, 5).sequences == ["CCGTT", "CGATT"]


def test_random_indels_agree_with_a_slow_way_to_write_them():
    rng, letters = np.random.default_rng(3), "".join(np.random.default_rng(4).choice(list("ACGT"), 300))
    variants, at = [], 5
    while at < 285:
        width = int(rng.integers(0, 5))
        ref = letters[at : at + 1 + width]
        alt = ref[0] if width else str(rng.choice([letters[at] + "GATTACA"[: rng.integers(1, 7)], "ACGT"[at % 4]]))
        variants += [f"v{at} {at + 1} {ref} {alt}"] * (ref != alt)
        at += 1 + width + int(rng.integers(0, 6))
    rows = rng.integers(0, 2, (2, 6, len(variants)))
    genome, dosages = study(letters, variants, *rows, people="abcdef")
    lost = [(int(one[1]), len(one[2]) - 1) for one in (variant.split() for variant in variants)]  # bases deleted
    done = 0
    for tss, strand in itertools.product(range(120, 180, 7), "+-"):
        is_there = [not position <= tss - 1 < position + width for position, width in lost]
        if not all(is_there):
            continue
        found = haplotype_sequences(genome, gene(tss, strand), dosages, 80)
        for (side, person), row in zip(itertools.product(range(2), range(6)), rows.reshape(12, -1), strict=True):
            assert found.sequences[found.index[person, side]] == slowly(letters, variants, row, tss, strand, 80)
            done += 1
    assert done > 60


def slowly(letters, variants, carried, tss, strand, length):
    """Write each base into a cell of its own, which variants change; the cell of the start is found again."""
    cells = list(letters)
    for variant, has in zip(variants, carried, strict=True):
        _, position, ref, alt = variant.split()
        if has:
            first = int(position) - 1
            cells[first : first + len(ref)] = [alt, *[""] * (len(ref) - 1)] if len(alt) > 1 or len(ref) > 1 else [alt]
    left, right = "".join(cells[: tss - 1]), "".join(cells[tss:])
    here, rest = cells[tss - 1][:1], cells[tss - 1][1:]
    before = length // 2 if strand == "+" else length - length // 2 - 1
    text = left[len(left) - before :] + here + (rest + right)[: length - before - 1]
    return text if strand == "+" else text.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def test_a_window_without_variants_is_the_genome_s_for_everybody():
    genome, dosages = study("ACGT" * 20, ["far 78 C T"], [[1], [0]], [[0], [1]])
    found = haplotype_sequences(genome, gene(20), dosages, 10)
    assert len(found.sequences) == 1
    assert found.index.tolist() == [[0, 0], [0, 0]]
    assert found.variants.empty


def test_the_genome_s_own_sequence_comes_first_where_nobody_carries_it():
    genome, dosages = study("ACGT" * 20, ["snp 20 T A"], [[1], [1]], [[1], [1]])
    found = haplotype_sequences(genome, gene(20), dosages, 4)
    assert found.sequences == ["CGTA", "CGAA"]
    assert found.index.tolist() == [[1, 1], [1, 1]]


def test_near_the_end_of_a_chromosome_n_is_written_on_request():
    genome, dosages = study("ACGTACGTAC", ["snp 2 C A", "gone 8 TA T"], [[1, 0]], [[0, 1]], ["ann"])
    with pytest.raises(InputError, match=r"window of gene 'g1', positions -1 to 6, leaves chromosome 1, which has 10"):
        haplotype_sequences(genome, gene(3), dosages, 8)
    found = haplotype_sequences(genome, gene(3), dosages, 8, pad=True)
    assert found.sequences == ["NNACGTAC", "NNAAGTAC"]
    with pytest.raises(InputError, match=r"haplotype 2 of person 'ann' lacks so many bases.*pad=True"):
        haplotype_sequences(genome, gene(7), dosages, 7)
    assert "GTACGTCN" in haplotype_sequences(genome, gene(7), dosages, 8, pad=True).sequences


# --- phase ------------------------------------------------------------------------------------------------------------


def unphased(dosages):
    return anndata.AnnData(dosages.X, obs=dosages.obs, var=dosages.var)


def test_one_heterozygous_variant_needs_no_phase():
    genome, dosages = study("ACGT" * 20, ["a 19 G A", "b 22 C T"], [[1, 1], [0, 1]], [[0, 1], [0, 0]])
    known = haplotype_sequences(genome, gene(20), dosages, 10)
    guessed = haplotype_sequences(genome, gene(20), unphased(dosages), 10)
    assert sorted(known.sequences) == sorted(guessed.sequences)
    pairs = [[sorted(found.sequences[i] for i in row) for row in found.index] for found in (known, guessed)]
    assert pairs[0] == pairs[1]


def test_heterozygous_variants_without_phase_are_named():
    genome, dosages = study("ACGT" * 20, ["a 19 G A", "b 22 C T"], [[1, 0], [1, 1]], [[0, 1], [1, 1]])
    said = r"1 of 2 people are heterozygous at several of 2 variants.*person 'ann' at 'a' and 'b'\. Phase .*Beagle"
    with pytest.raises(InputError, match=said):
        haplotype_sequences(genome, gene(20), unphased(dosages), 10)
    assert haplotype_sequences(genome, gene(20), unphased(dosages), 4).index.shape == (2, 2)


def test_a_file_of_phased_and_unphased_genotypes_is_told_of(tmp_path):
    lines = gzip.decompress((REFERENCE / "haplotypes.vcf.gz").read_bytes()).decode().split("\n")
    fields = next(i for i, line in enumerate(lines) if "0|1" in line and not line.startswith("#"))
    lines[fields] = lines[fields].replace("0|1", "0/1", 1)
    (tmp_path / "mixed.vcf").write_text("\n".join(lines))
    mixed = read_vcf(tmp_path / "mixed.vcf")
    with pytest.raises(
        InputError, match=r"read_vcf gives the layers haplotype1 and haplotype2 where every genotype of"
    ):
        Haplotypes(mixed).carried(np.arange(10))


def test_missing_imputed_and_contradicting_genotypes_are_named():
    genome, dosages = study("ACGT" * 20, ["a 19 G A", "b 22 C T"], [[1, 0], [1, 1]], [[0, 1], [1, 1]])
    missing = dosages.copy()
    missing.X[1, 0] = np.nan
    with pytest.raises(
        InputError, match=r"person 'bo' has no genotype at SNP 'a' \(1 such genotypes.*GT\[\*\]=\"mis\""
    ):
        haplotype_sequences(genome, gene(20), missing, 10)
    imputed = dosages.copy()
    imputed.X[0, 1] = 1.3
    with pytest.raises(InputError, match=r"person 'ann' has 1\.3 copies, an imputed dosage at SNP 'b'.*field='GT'"):
        haplotype_sequences(genome, gene(20), imputed, 10)
    turned = dosages.copy()
    turned.X = 2 - turned.X
    with pytest.raises(InputError, match=r"person 'bo' has 0 copies, and haplotypes that do not add up to them at SNP"):
        haplotype_sequences(genome, gene(20), turned, 10)
    for layer in ("haplotype1", "haplotype2"):
        turned.layers[layer] = 1 - turned.layers[layer]
    assert haplotype_sequences(genome, gene(20), turned, 10).index.shape == (2, 2)


# --- what cannot be written -------------------------------------------------------------------------------------------


def test_overlapping_variants_of_one_haplotype_are_refused():
    letters = "AAAACCCCGTTTTGGGGA"
    cases = [
        ["del 4 ACC A", "snp 6 C T"],
        ["one 7 C T", "two 7 C G"],  # two alternative alleles of one site, split
        ["twice 7 C T", "again 7 C T"],
        ["ins 7 C CA", "more 7 C CAA"],
    ]
    for variants in cases:
        one, other = (variant.split()[0] for variant in variants)
        genome, dosages = study(letters, variants, [[1, 0], [0, 1]], [[0, 1], [1, 1]])
        with pytest.raises(InputError, match=rf"haplotype 2 of person 'bo' carries '{one}' and '{other}' around gene"):
            haplotype_sequences(genome, gene(9), dosages, 9)
        kept = dosages[:, dosages.var_names != other]
        assert len(haplotype_sequences(genome, gene(9), kept, 9).sequences) == 2
        apart = dosages[["ann"]]
        assert len(haplotype_sequences(genome, gene(9), apart, 9).sequences) in (2, 3)


def test_alleles_that_are_no_letters_are_refused_where_somebody_carries_them():
    genome, dosages = study("ACGT" * 20, ["big 19 G <DEL>", "b 22 C T"], [[0, 0], [1, 1]], [[0, 1], [0, 1]])
    with pytest.raises(
        InputError, match=r"'bo' carries variant 'big' around gene 'g1', whose alleles G and <DEL>"
    ) as e:
        haplotype_sequences(genome, gene(20), dosages, 10)
    assert "dosages[:, dosages.var_names != 'big']" in str(e.value)
    assert len(haplotype_sequences(genome, gene(20), dosages[["ann"]], 10).sequences) == 2


def test_an_indel_that_may_be_either_way_is_refused_among_swapped_snps():
    letters = "ACGTTTACGACGT" * 5
    genome, dosages = study(letters, ["indel 4 T TT", "snp 8 C A"], [[1, 0]], [[0, 1]], ["ann"])
    assert haplotype_sequences(genome, gene(9), dosages, 9).swapped == 0
    genome, dosages = study(letters, ["indel 4 T TT", "snp 8 A C"], [[1, 0]], [[0, 1]], ["ann"])
    with pytest.raises(InputError, match=r"both alleles of indel 'indel' fit the genome, and 'snp' has them swapped"):
        haplotype_sequences(genome, gene(9), dosages, 9)
    kept = dosages[:, check_alleles(genome, dosages)["has"] != "both"]
    assert haplotype_sequences(genome, gene(9), kept, 9).swapped == 1


# --- builds, strands, chromosomes -------------------------------------------------------------------------------------


def test_variants_of_another_build_are_refused_before_anything_is_written(peer):
    genome, dosages, genes, _ = peer
    moved = dosages.copy()
    moved.var["position"] += 7
    with pytest.raises(InputError, match=r"of 4\d\d variants \(\d\d%\) have other alleles than .*another build"):
        check_alleles(genome, moved)
    with pytest.raises(
        InputError, match=r"variants around gene 'g0' have other alleles.*\(1:\d+ \w+ \w+, the genome ha"
    ):
        haplotype_sequences(genome, genes.loc["g0"], moved, 400)


def test_single_variants_that_do_not_fit_are_left_out_as_advised(peer):
    genome, dosages, genes, _ = peer
    broken = dosages.copy()
    near = Haplotypes(dosages).within("1", int(genes.loc["g0", "tss"]) - 20, int(genes.loc["g0", "tss"]) + 20)[0]
    letters = check_alleles(genome, dosages)["genome"].iloc[near]
    broken.var.iloc[near, [2, 3]] = [one for one in "ACGT" if one != letters[0]][:2]
    with pytest.warns(UserWarning, match=rf"1 of \d+ variants have other alleles.*first '{broken.var_names[near]}'"):
        checked = check_alleles(genome, broken)
    assert checked["has"].iloc[near] == "neither"
    with pytest.raises(InputError, match=r"1 of \d+ variants around gene 'g0'"):
        haplotype_sequences(genome, genes.loc["g0"], broken, 400)
    assert haplotype_sequences(genome, genes.loc["g0"], broken[:, checked["fits"]], 400).index.shape == (5, 2)


def test_alleles_are_compared_stretch_by_stretch_as_one_by_one(peer, monkeypatch):
    genome, dosages, _, _ = peer
    whole = check_alleles(genome, dosages)
    monkeypatch.setattr(allele_checks, "STRETCH", 97)
    pd.testing.assert_frame_equal(check_alleles(genome, dosages), whole)
    for name, row in dosages.var.iterrows():
        alleles = row[["ref_allele", "eff_allele"]]
        there = genome.sequence(row["chromosome"], row["position"], row["position"] + alleles.str.len().max() - 1)
        fits = tuple(there.startswith(one) for one in alleles)
        assert whole.loc[name, "genome"] == there
        assert whole.loc[name, "has"] == {(True, False): "ref_allele", (True, True): "both"}[fits]
    assert set(whole["has"]) == {"ref_allele", "both"}


def test_alleles_of_the_other_strand_are_told_from_another_build():
    genome, dosages = study("ACGT" * 20, ["a 19 C T", "b 22 G A"], [[1, 0]], [[0, 1]], ["ann"])
    with pytest.raises(
        InputError, match=r"Of 2, the letters of the other strand would fit: alleles are written on the"
    ):
        check_alleles(genome, dosages)


def test_positions_beyond_the_chromosome_and_chromosomes_that_are_not_there_do_not_fit():
    genome, dosages = study(
        "ACGT" * 20, [f"v{i} {i} {'TACG'[i % 4]} C" for i in range(2, 38, 2)], [[0] * 18], [[0] * 18], ["ann"]
    )
    assert check_alleles(genome, dosages)["fits"].all()
    dosages.var.loc["v2", "position"] = 400
    with pytest.warns(UserWarning, match=r"1 of 18 variants"):
        assert check_alleles(genome, dosages)["has"].loc["v2"] == "no such place"
    dosages.var["chromosome"] = "chr7"
    with pytest.raises(InputError, match=r"18 of 18 variants \(100%\) .*the genome has no such place"):
        check_alleles(genome, dosages)


def test_a_gene_of_a_chromosome_without_variants_is_refused(peer):
    _, dosages, _, _ = peer
    genome = Genome({"chr3": "ACGT" * 100})
    row = gene(50)
    row["chromosome"] = "3"
    with pytest.raises(InputError, match=r"no variant is on chromosome 3, where gene 'g1' is; the dosages have 1, 2"):
        haplotype_sequences(genome, row, dosages, 20)
    genes = pd.DataFrame([row, row.replace("3", "2")])
    assert genes[genes["chromosome"].isin(Haplotypes(dosages).chromosomes)]["chromosome"].tolist() == ["2"]
    row["chromosome"] = "4"
    with pytest.raises(InputError, match=r"lacks the chromosomes of 1 of 1 genes: '4', of gene 'g1' first; it has '3'"):
        haplotype_sequences(genome, row, dosages, 20)


def test_names_of_chromosomes_match_with_and_without_chr():
    genome, dosages = study("ACGT" * 20, ["a 19 G A"], [[1]], [[0]], ["ann"])
    dosages.var["chromosome"] = "chr1"
    assert len(haplotype_sequences(genome, gene(20), dosages, 10).sequences) == 2


def test_what_is_no_gene_and_what_are_no_dosages_is_said(peer):
    genome, dosages = study("ACGT" * 20, ["a 19 G A"], [[1]], [[0]], ["ann"])
    with pytest.raises(InputError, match=r"one row of a table of genes is needed.*got str"):
        haplotype_sequences(genome, "g1", dosages, 10)
    with pytest.raises(InputError, match=r"genes: columns strand are not there"):
        haplotype_sequences(genome, gene(20).drop("strand"), dosages, 10)
    with pytest.raises(InputError, match=r"dosages: an AnnData of people and SNPs is needed"):
        haplotype_sequences(genome, gene(20), dosages.to_df(), 10)
    del dosages.var["eff_allele"]
    with pytest.raises(InputError, match=r"dosages: var has no column eff_allele"):
        haplotype_sequences(genome, gene(20), dosages, 10)
    with pytest.raises(InputError, match=r"there is no variant in the table; was everything filtered out"):
        Haplotypes(peer[1][:, :0])
    _, dosages = study("ACGT" * 20, ["a 19 G A"], [[1]], [[0]], ["ann"])
    dosages.var["position"] = np.nan
    with pytest.raises(InputError, match=r"SNP 'a' has position nan"):
        Haplotypes(dosages)


def test_variants_are_found_as_by_looking_at_all(peer):
    _, dosages, _, _ = peer
    panel, var = Haplotypes(dosages), dosages.var
    ends = var["position"] + var[["ref_allele", "eff_allele"]].apply(lambda column: column.str.len()).max(axis=1) - 1
    rng = np.random.default_rng(6)
    for start, width in zip(rng.integers(1, 6000, 50), rng.integers(0, 300, 50), strict=True):
        expected = (var["chromosome"] == "2") & (var["position"] <= start + width) & (ends >= start)
        assert panel.within("chr2", start, start + width).tolist() == np.flatnonzero(expected).tolist()
    assert panel.within("X", 1, 10).size == 0
