"""A 3CX V20 phone system as a real server, to develop and test against.

An independent reading of the vendor's interface: nothing of the product is used here.
"""

from simulator.options import SimulatorOptions
from simulator.play import Play
from simulator.server import Simulator

__all__ = ["Play", "Simulator", "SimulatorOptions"]
