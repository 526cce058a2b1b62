"""Lists the recipes of the LamQuant cookbook."""

from cookbooks.lamquant.recipes.combined_decoder import COMBINED_DECODER
from cookbooks.lamquant.recipes.data_prep import DATA_PREP
from cookbooks.lamquant.recipes.encoder import ENCODER
from cookbooks.lamquant.recipes.full_pipeline import FULL_PIPELINE
from cookbooks.lamquant.recipes.joint_codec import JOINT_CODEC
from cookbooks.lamquant.recipes.oracle import ORACLE
from cookbooks.lamquant.recipes.snn import SNN

RECIPES = [
    DATA_PREP,
    JOINT_CODEC,
    SNN,
    ORACLE,
    COMBINED_DECODER,
    FULL_PIPELINE,
    ENCODER,
]
