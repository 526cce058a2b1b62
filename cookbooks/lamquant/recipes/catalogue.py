"""Lists the recipes of the LamQuant cookbook."""

from cookbooks.lamquant.recipes.data_prep import DATA_PREP
from cookbooks.lamquant.recipes.joint_codec import JOINT_CODEC
from cookbooks.lamquant.recipes.snn import SNN

RECIPES = [
    DATA_PREP,
    JOINT_CODEC,
    SNN,
]
