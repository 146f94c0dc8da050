//! Codes of countries whose names a log gives in English.
//!
//! In: a name as location databases (MaxMind and others) print it. Out: its ISO 3166-1 alpha-2 code; `None` for a
//! name that is not in the table, so that nothing is guessed.

/// Code and name, one a line; where a country goes by several names, each has a line.
const NAMES: &str = "\
AD Andorra\nAE United Arab Emirates\nAF Afghanistan\nAG Antigua and Barbuda\nAI Anguilla\nAL Albania\nAM Armenia\n\
AO Angola\nAQ Antarctica\nAR Argentina\nAS American Samoa\nAT Austria\nAU Australia\nAW Aruba\nAX Aland Islands\n\
AX Åland Islands\nAX Åland\nAZ Azerbaijan\nBA Bosnia and Herzegovina\nBA Bosnia & Herzegovina\nBB Barbados\n\
BD Bangladesh\nBE Belgium\nBF Burkina Faso\nBG Bulgaria\nBH Bahrain\nBI Burundi\nBJ Benin\nBL Saint Barthélemy\n\
BL Saint Barthelemy\nBM Bermuda\nBN Brunei\nBN Brunei Darussalam\nBO Bolivia\nBQ Bonaire, Sint Eustatius, and Saba\n\
BQ Bonaire, Sint Eustatius and Saba\nBR Brazil\nBS Bahamas\nBS The Bahamas\nBT Bhutan\nBV Bouvet Island\n\
BW Botswana\nBY Belarus\nBZ Belize\nCA Canada\nCC Cocos (Keeling) Islands\nCC Cocos Islands\n\
CD Democratic Republic of the Congo\nCD DR Congo\nCD Congo, The Democratic Republic of the\n\
CF Central African Republic\nCG Congo\nCG Congo Republic\nCG Republic of the Congo\nCH Switzerland\n\
CI Ivory Coast\nCI Côte d'Ivoire\nCI Cote d'Ivoire\nCK Cook Islands\nCL Chile\nCM Cameroon\nCN China\nCO Colombia\n\
CR Costa Rica\nCU Cuba\nCV Cabo Verde\nCV Cape Verde\nCW Curaçao\nCW Curacao\nCX Christmas Island\nCY Cyprus\n\
CZ Czechia\nCZ Czech Republic\nDE Germany\nDJ Djibouti\nDK Denmark\nDM Dominica\nDO Dominican Republic\nDZ Algeria\n\
EC Ecuador\nEE Estonia\nEG Egypt\nEH Western Sahara\nER Eritrea\nES Spain\nET Ethiopia\nFI Finland\nFJ Fiji\n\
FK Falkland Islands\nFM Micronesia\nFM Federated States of Micronesia\nFO Faroe Islands\nFR France\nGA Gabon\n\
GB United Kingdom\nGD Grenada\nGE Georgia\nGF French Guiana\nGG Guernsey\nGH Ghana\nGI Gibraltar\nGL Greenland\n\
GM Gambia\nGM The Gambia\nGN Guinea\nGP Guadeloupe\nGQ Equatorial Guinea\nGR Greece\n\
GS South Georgia and the South Sandwich Islands\nGT Guatemala\nGU Guam\nGW Guinea-Bissau\nGY Guyana\nHK Hong Kong\n\
HM Heard Island and McDonald Islands\nHN Honduras\nHR Croatia\nHT Haiti\nHU Hungary\nID Indonesia\nIE Ireland\n\
IL Israel\nIM Isle of Man\nIN India\nIO British Indian Ocean Territory\nIQ Iraq\nIR Iran\n\
IR Iran, Islamic Republic of\nIS Iceland\nIT Italy\nJE Jersey\nJM Jamaica\nJO Jordan\nJO Hashemite Kingdom of Jordan\n\
JP Japan\nKE Kenya\nKG Kyrgyzstan\nKH Cambodia\nKI Kiribati\nKM Comoros\nKN St Kitts and Nevis\n\
KN Saint Kitts and Nevis\nKP North Korea\nKR South Korea\nKR Korea, Republic of\nKR Republic of Korea\nKW Kuwait\n\
KY Cayman Islands\nKZ Kazakhstan\nLA Laos\nLB Lebanon\nLC Saint Lucia\nLC St. Lucia\nLI Liechtenstein\nLK Sri Lanka\n\
LR Liberia\nLS Lesotho\nLT Lithuania\nLT Republic of Lithuania\nLU Luxembourg\nLV Latvia\nLY Libya\nMA Morocco\n\
MC Monaco\nMD Moldova\nMD Republic of Moldova\nME Montenegro\nMF Saint Martin\nMG Madagascar\nMH Marshall Islands\n\
MK North Macedonia\nMK Macedonia\nML Mali\nMM Myanmar\nMM Myanmar (Burma)\nMN Mongolia\nMO Macao\nMO Macau\n\
MP Northern Mariana Islands\nMQ Martinique\nMR Mauritania\nMS Montserrat\nMT Malta\nMU Mauritius\nMV Maldives\n\
MW Malawi\nMX Mexico\nMY Malaysia\nMZ Mozambique\nNA Namibia\nNC New Caledonia\nNE Niger\nNF Norfolk Island\n\
NG Nigeria\nNI Nicaragua\nNL Netherlands\nNL The Netherlands\nNO Norway\nNP Nepal\nNR Nauru\nNU Niue\n\
NZ New Zealand\nOM Oman\nPA Panama\nPE Peru\nPF French Polynesia\nPG Papua New Guinea\nPH Philippines\nPK Pakistan\n\
PL Poland\nPM Saint Pierre and Miquelon\nPN Pitcairn Islands\nPN Pitcairn\nPR Puerto Rico\nPS Palestine\n\
PS State of Palestine\nPS Palestinian Territory\nPT Portugal\nPW Palau\nPY Paraguay\nQA Qatar\nRE Réunion\nRE Reunion\n\
RO Romania\nRS Serbia\nRU Russia\nRU Russian Federation\nRW Rwanda\nSA Saudi Arabia\nSB Solomon Islands\nSC Seychelles\n\
SD Sudan\nSE Sweden\nSG Singapore\nSH Saint Helena\nSI Slovenia\nSJ Svalbard and Jan Mayen\nSK Slovakia\n\
SK Slovak Republic\nSL Sierra Leone\nSM San Marino\nSN Senegal\nSO Somalia\nSR Suriname\nSS South Sudan\n\
ST São Tomé and Príncipe\nST Sao Tome and Principe\nSV El Salvador\nSX Sint Maarten\nSY Syria\nSY Syrian Arab Republic\n\
SZ Eswatini\nSZ Swaziland\nTC Turks and Caicos Islands\nTD Chad\nTF French Southern Territories\nTG Togo\nTH Thailand\n\
TJ Tajikistan\nTK Tokelau\nTL Timor-Leste\nTL East Timor\nTM Turkmenistan\nTN Tunisia\nTO Tonga\nTR Turkey\nTR Türkiye\n\
TT Trinidad and Tobago\nTV Tuvalu\nTW Taiwan\nTZ Tanzania\nUA Ukraine\nUG Uganda\n\
UM United States Minor Outlying Islands\nUM U.S. Outlying Islands\nUS United States\nUS United States of America\n\
UY Uruguay\nUZ Uzbekistan\nVA Vatican City\nVA Holy See\nVC Saint Vincent and the Grenadines\nVE Venezuela\n\
VG British Virgin Islands\nVI U.S. Virgin Islands\nVI US Virgin Islands\nVN Vietnam\nVN Viet Nam\nVU Vanuatu\n\
WF Wallis and Futuna\nWS Samoa\nXK Kosovo\nYE Yemen\nYT Mayotte\nZA South Africa\nZM Zambia\nZW Zimbabwe";

/// The code of a country by its name, or by the code itself.
pub(super) fn code(name: &str) -> Option<&str> {
    if is_code(name) {
        return Some(name);
    }
    let mut pairs = NAMES.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(code, _)| code)
}

/// Two uppercase letters, which is all that the field of an event asks for.
pub(super) fn is_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Would catch a line of the table that is broken, a name with two codes, and a country without a name.
    #[test]
    fn each_name_has_one_code() {
        let mut names = BTreeSet::new();
        let mut codes = BTreeSet::new();
        for line in NAMES.lines() {
            let (code, name) = line.split_once(' ').unwrap();
            assert!(is_code(code) && name.trim() == name && !name.is_empty(), "{line}");
            assert!(names.insert(name.to_ascii_lowercase()), "{line}");
            codes.insert(code);
        }
        // The 249 of ISO 3166-1, and XK for Kosovo, which everybody uses.
        assert_eq!(codes.len(), 250);
    }

    /// Would catch a name that is found under another country's, or made up.
    #[test]
    fn names_and_codes_are_found() {
        for (name, expected) in [
            ("United States", Some("US")),
            ("south korea", Some("KR")),
            ("Türkiye", Some("TR")),
            ("DE", Some("DE")),
            ("de", None),
            ("Atlantis", None),
            ("", None),
        ] {
            assert_eq!(code(name), expected, "{name}");
        }
    }
}
