"""The names that logs and catalogs have for our columns, and which column of a table is meant by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from llmrec.data.columns import ITEM, TIME, TITLE, USER

Aliases = Mapping[str, Sequence[str]]

_ITEM_IDS = (
    "item",
    "item_ids",
    "iid",
    "movie_id",
    "parent_asin",  # Amazon 2023: the id its metadata is keyed by, so it goes before asin
    "asin",
    "product_id",
    "product",
    "sku",
    "stock_code",
    "article_id",
    "book_id",
    "track_id",
    "song_id",
    "game_id",
    "business_id",
    "video_id",
    "news_id",
)
# Of a catalog they come after a plain "id": it may have these of something else, such as the artist of a song.
_FURTHER_ITEM_IDS = (
    *("isbn", "item_code", "item_no", "item_number", "product_code", "product_no", "article_no", "article_number"),
    *(
        "anime_id",
        "recipe_id",
        "app_id",
        "gmap_id",
        "listing_id",
        "hotel_id",
        "restaurant_id",
        "venue_id",
        "poi_id",
    ),
    *("course_id", "job_id", "offer_id", "show_id", "podcast_id", "content_id", "document_id", "doc_id"),
    *("artist_id", "artist_mbid", "artikelnummer", "artikel_nr", "artikel_id", "produkt_id", "artikel"),
    *("produit_id", "id_produit", "producto_id", "id_producto", "商品id", "物品id", "商品"),
)
_PRICES = ("unit_price", "item_price", "lineitem_price", "preis", "prix", "precio", "价格")
# A plain name comes before those of other things: a figure may have a game's title and a shop's name, too.
_TITLES = (
    *("movie_title", "item_title", "product_title", "name", "item_name", "product_name"),
    *("book_title", "track_name", "track_title", "song_title"),
    *("song_name", "game_title", "game_name", "app_name", "anime_title", "video_title", "article_title"),
    *("recipe_name", "course_title"),
    *(
        "prod_name",
        "headline",
        "titel",
        "bezeichnung",
        "artikelbezeichnung",
        "produktname",
        "désignation",
    ),
    *("titre", "nom", "libellé", "título", "titulo", "nombre", "标题", "名称", "商品名称", "description"),
    *("job_title", "business_name", "artist_name"),
)

# For each of our names, other names for it: earlier ones win. Case, "_", "-", "." and spaces do not matter.
EVENTS: Aliases = {
    USER: (
        *(
            "user",
            "uid",
            "customer_unique_id",
            "customer_id",
            "customer",
            "reviewer_id",
            "visitor_id",
            "member_id",
        ),
        *("customer_no", "customer_number", "account_id", "buyer_id", "shopper_id", "player_id", "client_id"),
        *(
            "household_key",
            "household_id",
            "listener_id",
            "viewer_id",
            "subscriber_id",
            "profile_id",
            "person_id",
            "kundennummer",
        ),
        *("kunden_nr", "kunden_id", "kunde", "nutzer_id", "id_client", "utilisateur", "cliente_id", "id_cliente"),
        *("cliente", "usuario", "用户id", "用户", "会员id"),
    ),
    ITEM: (*_ITEM_IDS, *_FURTHER_ITEM_IDS),
    TIME: (
        # What may be a day comes after what is a time.
        *("time", "ts", "unix_review_time", "unix_time", "event_timestamp", "unix_timestamp", "event_time"),
        *(
            "datetime",
            "date_time",
            "transaction_timestamp",
            "purchase_timestamp",
            "order_purchase_timestamp",
            "date",
            "created_at",
        ),
        *("invoice_date", "event_date", "order_date", "purchase_date", "review_date", "review_time", "timestamps"),
        *("transaction_date", "t_dat", "zeitstempel", "bestelldatum", "kaufdatum", "datum", "date_commande"),
        *("uts", "played_at", "listened_at", "unix_timestamp_created"),
        *("date_achat", "fecha", "fecha_compra", "时间", "时间戳", "下单时间", "日期"),
    ),
    "rating": ("ratings", "overall", "stars", "book_rating", "user_rating", "review_score", "bewertung", "评分"),
    "behavior": ("behaviour", "behavior_type", "event_type", "event_name", "event", "action", "action_type"),
    "price": _PRICES,
    "quantity": ("qty", "lineitem_quantity", "menge", "anzahl", "quantité", "cantidad", "数量"),
    "session_id": ("session", "invoice_no", "invoice", "order_id", "basket_id", "bestellnummer"),
}
ITEMS: Aliases = {
    ITEM: (*_ITEM_IDS, "id", *_FURTHER_ITEM_IDS),
    TITLE: _TITLES,
    "genres": (
        *("genre", "class", "categories", "category", "product_category", "item_category", "product_type_name"),
        *("product_type", "product_group_name", "kategorie"),
        *("warengruppe", "catégorie", "categoría", "类别", "分类"),
    ),
    "year": ("release_year", "year_of_publication", "publication_year"),
    # What a line of an item names, whatever its case.
    "brand": ("brand_name", "marke", "marque", "marca", "品牌"),
    "artist": ("artist_name",),
    "author": ("author_name", "book_author", "autor", "auteur", "作者"),
    **dict.fromkeys(("director", "manufacturer", "developer", "publisher", "studio", "store"), ()),
    **dict.fromkeys(("category_name", "category_code", "main_category", "description"), ()),
    "price": _PRICES,
}
_THINGS = "item|product|article|artikel|track|song|movie|film|book|game|artist"
# Words of names that hint at what a column holds, the surest first, where none of the names above is there.
_HINTS = {
    USER: ("user|customer|client|buyer|visitor|member|account|player|person|profile|household|kunde|email",),
    ITEM: (rf"({_THINGS}).*(id|sku|code|no|number)$|sku|mbid|^id$", rf"title|r[ée]f[ée]rence|{_THINGS}"),
    TITLE: ("title|name|label|headline|text|summary|desc",),
}


def find_column(ours: str, aliases: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the column that is meant by ``ours``: the exact name, then its aliases in their order."""
    if ours in columns:
        return ours
    known = {plain_name(column): column for column in reversed(columns)}
    return next((known[key] for key in map(plain_name, (ours, *aliases)) if key in known), None)


def likely_column(ours: str, columns: Sequence[str]) -> str | None:
    """Return the first column whose name hints at ``ours``, where no column has a known name."""
    hints = (re.compile(hint, re.I) for hint in _HINTS.get(ours, ()))
    return next((column for hint in hints for column in columns if hint.search(column)), None)


def plain_name(name: str) -> str:
    """Return a name without case, "_", "-", "." and spaces."""
    return re.sub(r"[\s_.-]", "", name).lower()
