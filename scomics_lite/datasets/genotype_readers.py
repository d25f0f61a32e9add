"""Readers of the data sets with genotypes, all in one form: the dosages that `scomics_lite.twas` takes.

People in rows, SNPs in columns; ``X`` counts copies of the effect allele (float32, NaN where missing); ``var`` has
``chromosome`` (without "chr"), ``position``, and ``ref_allele`` and ``eff_allele`` where the source tells the letters.
"""

import anndata
import numpy as np
import pandas as pd

from scomics_lite.datasets.shapes import labelled, levels_of, names_of, numbered, pair, read_r


def bigsnpr_example(files):
    """Read genotypes in PLINK's binary format: copies of allele 1, the effect allele; families are populations."""
    names = ["family", "individual", "father", "mother", "sex", "phenotype"]
    people = pd.read_csv(files["example.fam"], sep="\t", names=names)
    names = ["chromosome", "snp", "centimorgan", "position", "eff_allele", "ref_allele"]
    snps = pd.read_csv(files["example.bim"], sep="\t", names=names, dtype={"chromosome": str}).set_index("snp")
    dosages = plink_dosages(files["example.bed"], len(people), len(snps))
    obs = pd.DataFrame({"population": levels_of(people["family"])}).set_index(names_of(people["individual"]))
    obs["phenotype"] = people["phenotype"].to_numpy()  # 1 control, 2 case
    var = snps[["chromosome", "position", "ref_allele", "eff_allele"]]
    return anndata.AnnData(dosages, obs=obs, var=var.rename_axis(None))


def plink_dosages(path, n_people, n_snps):
    """Unpack two bits a genotype, lowest first: 00 two copies of allele 1, 01 missing, 10 one copy, 11 none."""
    raw = np.fromfile(path, dtype=np.uint8)
    if list(raw[:3]) != [0x6C, 0x1B, 0x01]:
        raise ValueError(f"{path}: not a PLINK .bed file in SNP-major order")
    codes = (raw[3:].reshape(n_snps, -1, 1) >> np.array([0, 2, 4, 6], dtype=np.uint8)) & 3
    return np.array([2.0, np.nan, 1.0, 0.0], dtype=np.float32)[codes.reshape(n_snps, -1)[:, :n_people].T]


def susie_n3(files):
    """Read genotypes of 574 people and two simulated traits with known effects; the file has centred dosages."""
    stored = read_r(files["N3finemapping.RData"])["N3finemapping"]
    positions, frequency = stored["pos"].astype(np.int64), stored["allele_freq"].ravel()
    chromosome = str(stored["chrom"][0]).removeprefix("chr")
    var = pd.DataFrame({"chromosome": chromosome, "position": positions}, index=names_of(positions))
    var["frequency"] = frequency
    var[["effect_1", "effect_2"]] = stored["true_coef"]
    obs = pd.DataFrame(stored["Y"], columns=["trait_1", "trait_2"], index=numbered("person", len(stored["Y"])))
    adata = anndata.AnnData(_uncentred(stored["X"], frequency), obs=obs, var=var)
    adata.uns["residual_variance"] = stored["residual_variance"]
    return adata


def _uncentred(centred, frequency):
    """Add the mean dosage, twice the frequency; whole dosages come back exactly, and missing ones were a mean."""
    dosages = centred + 2 * frequency
    whole = np.abs(dosages - dosages.round()) < 1e-9
    if not ((dosages[whole] > -1e-9) & (dosages[whole] < 2 + 1e-9)).all() or whole.mean() < 0.99:
        raise ValueError("susie_n3: centred genotypes and frequencies do not make dosages; the file has changed")
    return np.ascontiguousarray(np.where(whole, dosages.round(), dosages), dtype=np.float32)


def susie_mismatch(files):
    """Read z-scores of one trait on 500 variants in one row, and the correlations of the variants in other people."""
    stored = read_r(files["rss_mismatch_example.RData"])["rss_mismatch_example"]
    obs = pd.DataFrame({"n": stored["n"]}, index=["trait"])
    adata = anndata.AnnData(stored["z"][None, :], obs=obs, var=pd.DataFrame(index=numbered("variant", 500)))
    adata.layers["bhat"], adata.layers["shat"] = stored["bhat"][None, :], stored["shat"][None, :]
    adata.varp["correlation"] = np.ascontiguousarray(stored["R"])
    return adata


def geuvadis_eqtl_sets(files):
    """Read 62 variants and the genes that each is associated with; variant and genes share an ``eqtl_set``."""
    table = labelled(read_r(files["data_GEUVADIS_combined.rda"])["data_GEUVADIS_combined"])
    is_variant = np.array([set(column[~np.isnan(column)]) <= {0.0, 1.0, 2.0} for column in table.to_numpy().T])
    var = pd.DataFrame({"eqtl_set": np.cumsum(is_variant)}, index=table.columns)  # a variant opens each set
    genotypes, expression = (
        anndata.AnnData(table.to_numpy()[:, chosen], obs=pd.DataFrame(index=table.index), var=var[chosen].copy())
        for chosen in (is_variant, ~is_variant)
    )
    genotypes.X = np.where(np.isnan(genotypes.X), np.nan, genotypes.X).astype(np.float32)  # R's NA is a NaN of its own
    return pair(pd.DataFrame(index=table.index), genotypes=genotypes, expression=expression)


def geuvadis_chr19(files):
    """Read genotypes and expected counts of chromosome 19: of genes whose place is given, summed over transcripts."""
    counts = pd.read_csv(files["TrQuantCount_CEU_chr19.tsv"], sep="\t", index_col="TargetID")
    people = names_of(counts.columns.drop("Gene_Symbol"))
    names = ["chromosome", "start", "end", "gene"]
    genes = pd.read_csv(files["genes_chr19.bed"], sep="\t", names=names, dtype={"chromosome": str}).set_index("gene")
    by_gene = counts.groupby("Gene_Symbol")
    genes = genes.loc[genes.index.isin(by_gene.groups)].sort_values(["start", "end"], kind="stable")
    genes["n_transcripts"] = by_gene.size().loc[genes.index]
    sums = by_gene[list(people)].sum().loc[genes.index]
    expression = anndata.AnnData(sums.to_numpy().T.copy(), obs=pd.DataFrame(index=people), var=genes.rename_axis(None))
    genotypes = _chr19_genotypes(files["genotypes.rda"], people)
    return pair(pd.DataFrame(index=people), genotypes=genotypes, expression=expression)


def _chr19_genotypes(path, people):
    snps = read_r(path)["genotypes"].set_index("snpId")
    codes = snps[people].to_numpy(dtype=np.float32).T
    places = {"chromosome": snps["chr"].astype(str).to_numpy(), "position": snps["start"].to_numpy(dtype=int)}
    var = pd.DataFrame(places, index=names_of(snps.index))
    return anndata.AnnData(np.where(codes < 0, np.float32(np.nan), codes), obs=pd.DataFrame(index=people), var=var)
