"""Which binding sites there are in a simulated world, and which ones a model looks for."""

# Names of JASPAR 2024; numbers where JASPAR has several matrices of a name: HNF4A and CTCF.
PLANTED = (
    *("SP1", "Nrf1", "Yy1", "ELK1", "CREB1", "NFYA", "E2F1", "EGR1", "USF1", "ZBTB33", "Nfe2l2", "FOSL1", "ATF4"),
    *("CEBPA", "Spi1", "Runx1", "Irf1", "TBX21", "PAX5", "EBF1", "GATA1", "TCF7", "MEF2A", "MA0114.5", "FOXA1"),
    *("HNF1A", "TEAD1", "STAT1", "RELA", "NR3C1", "ESRRA", "TP53", "REST", "MA0139.2", "SOX2", "POU2F2", "BCL6"),
    *("GFI1", "Mafb", "TCF3", "RBPJ", "MYB", "Nfatc2", "ZEB1", "PRDM1", "IKZF1", "HSF1", "XBP1", "TFDP1", "ZNF143"),
)
NOT_PLANTED = (
    *("KLF4", "GABPA", "ETS1", "ELF1", "SP3", "CREM", "NFYB", "E2F6", "EGR2", "USF2", "MITF", "MYC", "CEBPB", "SPIB"),
    *("RUNX3", "IRF8", "EOMES", "GATA2", "Lef1", "MEF2C", "HNF4G", "FOXP1", "TEAD4", "STAT3", "NFKB2", "ESR1", "TP63"),
    *("SOX4", "POU3F2", "MAFK", "TCF12", "MYBL1", "NFATC3", "SNAI2", "HSF2", "TFE3", "NR4A1", "HOXA5", "HOXB13"),
    *("LHX2", "OTX2", "PITX1", "PBX3", "NKX2-5", "TBP", "ZNF263", "INSM1", "TFAP4::ETV1", "ONECUT1", "PAX6"),
)


def motif_bank():
    """Give the 100 matrices that a model of a simulated world scans for.

    Sites of the first 50 are planted around genes, and most of these do something. The others stand for what a model
    cannot know to be idle: relatives of the first with similar matrices (GABPA beside ELK1), and strangers.

    Returns
    -------
    scomics_lite.dna.Motifs

    Examples
    --------
    >>> motifs = motif_bank()
    >>> len(motifs.names), motifs.names[0]
    (100, 'SP1')
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    return dna.jaspar_motifs().select([*PLANTED, *NOT_PLANTED])
