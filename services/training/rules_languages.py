# ruff: noqa: RUF001 -- what a shell says in Russian is written in Cyrillic letters
"""Failure rules for shells and system libraries that speak another language than English.

The words are those of the error numbers and signals themselves, as the C library and the shell translate them: German,
French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Turkish, Chinese, Japanese and Korean.
"""

import re
from typing import Final

from services.training.failure_rule import FailureRule, Owner, rule


def _words(cls: str, owner: Owner, *words: str, symptom: bool = False) -> FailureRule:
    return rule(cls, owner, *(re.escape(word) for word in words), stems="|".join(words), symptom=symptom)


_INFRA, _DATA, _CODE = Owner.INFRASTRUCTURE, Owner.DATA, Owner.CODE

LANGUAGES: Final[tuple[FailureRule, ...]] = (
    _words(
        "disk_full", _INFRA,
        "kein speicherplatz mehr verfügbar", "aucun espace disponible sur", "no queda espacio en el dispositivo",
        "não há espaço disponível", "spazio esaurito", "geen ruimte meer over", "brak miejsca na urządzeniu",
        "не осталось свободного места", "aygıtta boş yer", "设备上没有空间", "裝置上已無多餘空間",
        "デバイスに空き領域がありません", "장치에 남은 공간",
    ),
    _words(
        "ram_oom", _CODE,
        "nicht genügend hauptspeicher", "kann keinen speicher", "impossible d'allouer de la mémoire",
        "ne peut allouer de la mémoire", "no se pudo asignar memoria", "no se puede asignar memoria",
        "não foi possível alocar memória", "impossibile allocare memoria", "kan geen geheugen",
        "невозможно выделить память", "无法分配内存", "無法配置記憶體", "メモリを確保できません", "메모리를 할당할 수",
    ),
    _words(
        "segfault", _CODE,
        "speicherzugriffsfehler", "erreur de segmentation", "violación de segmento", "fallo de segmentación",
        "falha de segmentação", "errore di segmentazione", "segmentatiefout", "naruszenie ochrony pamięci",
        "ошибка сегментирования", "parçalama arızası", "bölümleme hatası", "段错误", "段錯誤", "記憶體區段錯誤",
        "세그멘테이션",
    ),
    _words(
        "missing_module", _CODE,
        "kommando nicht gefunden", "befehl nicht gefunden", "commande introuvable", "orden no encontrada",
        "no se encontró la orden", "comando no encontrado", "instrucción no encontrada", "comando não encontrado",
        "comando non trovato", "opdracht niet gevonden", "nie znaleziono polecenia", "команда не найдена",
        "komut bulunamadı", "komut yok", "未找到命令", "找不到命令", "找不到指令", "コマンドが見つかりません",
        "명령어를 찾을 수 없",
    ),
    _words(
        "permission", _INFRA,
        "keine berechtigung", "operation nicht erlaubt", "vorgang nicht zulässig", "zugriff verweigert",
        "permission non accordée", "permission refusée", "opération non permise", "accès refusé", "permiso denegado",
        "operación no permitida", "acceso denegado", "permissão negada", "permissão recusada", "acesso negado",
        "operação não permitida", "permesso negato", "operazione non permessa", "accesso negato",
        "toegang geweigerd", "brak dostępu", "отказано в доступе", "операция не позволена", "erişim engellendi",
        "权限不够", "權限不夠", "拒绝访问", "拒絕存取", "不允许的操作", "許可がありません", "許可されていない操作",
        "アクセスが拒否", "허가 거부", "権限がありません", "dateisystem ist nur lesbar", "solo lectura",
        "lecture seulement", "somente leitura", "只读文件系统",
    ),
    _words(
        "file_not_found", _DATA,
        "datei oder verzeichnis nicht gefunden", "kann die angegebene datei nicht finden",
        "aucun fichier ou dossier", "aucun fichier ou répertoire", "le fichier spécifié est introuvable",
        "no existe el archivo", "no existe el fichero", "no se puede encontrar el archivo",
        "arquivo ou diretório inexistente", "ficheiro ou pasta inexistente", "ficheiro ou directoria inexistente",
        "ficheiro ou diretoria inexistente", "arquivo ou diretório não encontrado", "file o directory non esistente",
        "bestand of map bestaat niet", "nie ma takiego pliku", "нет такого файла", "böyle bir dosya",
        "没有那个文件或目录", "沒有此一檔案或目錄", "系统找不到指定的", "系統找不到指定的",
        "そのようなファイルやディレクトリ", "指定されたファイルが見つかりません", "그런 파일이나 디렉터리가 없",
    ),
    _words(
        "div_zero", _CODE,
        "division durch 0", "division durch null", "gleitkomma-ausnahme", "division par 0", "division par zéro",
        "exception en point flottant", "división entre 0", "división por 0", "división por cero",
        "excepción de coma flotante", "divisão por 0", "divisão por zero", "exceção de ponto flutuante",
        "divisione per 0", "divisione per zero", "eccezione in virgola mobile", "деление на 0", "деление на ноль",
        "除以 0", "除 0", "除以零", "被零除", "浮点数例外", "浮点异常", "浮動小数点例外", "0 による除算",
    ),
    _words(
        "oom_killer", _INFRA,
        "getötet", "processus arrêté", "matado", "terminado (killed)", "morto ", "ucciso", "убито", "unicestwiony",
        "已杀死", "已殺死", "強制終了", "죽었음", symptom=True,
    ),
)
