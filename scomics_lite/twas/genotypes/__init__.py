"""Dosages: what people carry, and which SNPs can be trusted.

Read `dosages` first: numbers and names out of AnnData and tables. `people` matches tables by name; `alleles` says which
letters mean the same. `plink_files` and `vcf_files` read genotypes (`snp_tables` holds what they share, `vcf_checks`
what is looked at before cyvcf2 reads), and `snp_filters` says which SNPs to keep, and why not.
"""
