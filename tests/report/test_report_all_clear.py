"""Texts that say that there is no danger, and those that only look like it."""

import pytest

from crisislens.report.all_clear import may_deny_danger


@pytest.mark.parametrize(
    "text",
    [
        "Magnitude 7.5 earthquake strikes off Guatemala. No Tsunami warning issued http://t.co/x",
        "There is no longer a flood warning for the Kelani river",
        "No tsunami threat to Hawaii",
        "There is no danger of flooding in Colombo",
        "All reported floods in Manila have already subsided.",
        "Tsunami warning has been lifted",
        "The flood advisory was cancelled",
        "NOAA cancels tsunami warning",
        "NO HAY ALERTA DE TSUNAMI PARA LAS COSTAS DEL PACIFICO",
        "Ya no hay peligro",
        "Chile descarta tsunami tras el sismo",
        "Se descarta alerta de tsunami",
        "Cancelan alerta de tsunami",
        "Alerta de tsunami ha sido cancelada",
        "Sin alerta de tsunami",
        "Pas d'alerte au tsunami",
        "Aucun danger pour la population",
        "L'alerte a été levée",
        "Non c'è pericolo di tsunami",
        "Allerta revocata",
        "Não há risco de tsunami",
        "Não há alerta de tsunami",
    ],
)
def test_a_denied_or_ended_danger_is_found(text: str) -> None:
    assert may_deny_danger(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tsunami warning issued",
        "No power, flood warning issued",
        "No power. Flood warning issued",
        "No power flood warning issued",
        "not safe, flood warning",
        "not safe flood warning",
        "No food no water flood victims",
        "Do not ignore the flood warning",
        "Do not enter flood water",
        "This is not just a flood warning",
        "No end to the flood",
        "No flood relief has come",
        "There was no flood warning system in our village",
        "There was no warning, the flood came at night",
        "No flood warning was given",
        "Is there no tsunami warning?",
        "Flood warning has not been lifted",
        "The flood warning is not yet cancelled",
        "Stay away until the flood has subsided",
        "Floods have not subsided",
        "Flights cancelled due to tsunami warning",
        "Classes cancelled: flood warning",
        "The flood lifted our house",
        "Tsunami warning lifted, flood warning still in effect",
        "No tsunami warning for Hawaii. Tsunami warning for Guatemala",
        "No hay tsunami pero evacuen la costa",
        "No se descarta un tsunami",
        "No descartan alerta de tsunami",
        "No hay agua, alerta de inundación",
        "No hay luz alerta de tsunami",
        "Sin agua ni luz por las inundaciones",
        "Pas d'eau, alerte inondation",
        "Não se descarta tsunami",
        "Allerta meteo, non uscite",
        "He is not out of danger",
    ],
)
def test_a_warning_is_not_taken_for_an_all_clear(text: str) -> None:
    assert not may_deny_danger(text)
