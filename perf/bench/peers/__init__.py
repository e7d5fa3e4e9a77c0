"""The peers, in the order of their rows. A new one is a file here and a line below."""

from .envoy import Envoy
from .gatehouse import Against, Gatehouse, GatehouseQuiet
from .h2o import H2o
from .haproxy import Haproxy
from .hitch import Hitch
from .nghttpx import Nghttpx
from .nginx import Nginx
from .null import Null


def all_peers(against=None):
    other = [Against(against)] if against else []
    return [
        Gatehouse(), GatehouseQuiet(), *other,
        Null(), Nginx(), Haproxy(), H2o(), Nghttpx(), Hitch(), Envoy(),
    ]  # fmt: skip
