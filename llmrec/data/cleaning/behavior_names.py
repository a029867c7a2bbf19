"""The names that logs have for behaviors, and how strongly each speaks for an item."""

from __future__ import annotations

from collections.abc import Mapping

NEGATIVE = -1
VIEW, LIKE, CART, PURCHASE = 1, 2, 3, 4

RETURNS = (
    *("return", "returned", "refund", "refunded", "chargeback", "sendback", "sentback"),
    *("cancel", "canceled", "cancelled", "cancellation", "cancelorder", "ordercancelled", "ordercanceled"),
    *("declined", "rejected", "failed", "voided", "retoure", "rückgabe", "storno", "stornierung", "storniert"),
    *("retour", "annulation", "annulé", "remboursement", "devolución", "devolucion", "cancelado", "reembolso"),
)
REMOVALS = (
    *("removefromcart", "removecart", "cartremove", "cartremoval", "deletefromcart", "removefrombasket"),
    *(
        "removefromwishlist",
        "removefromfavorites",
        "removefromfavourites",
        "remove",
        "removed",
        "removal",
        "delete",
    ),
)
_DISLIKES = (
    *("dislike", "disliked", "unlike", "unliked", "thumbsdown", "thumbdown", "👎", "downvote", "downvoted"),
    *("hate", "negative", "negativefeedback", "mute", "ignore", "ignored"),
    *("skip", "skipped", "hide", "block", "blocked", "notinterested", "dismiss"),
    *(
        "dismissed",
        "unfavorite",
        "unfavourite",
        "unfav",
        "unwish",
        "unsave",
        "unbookmark",
        "uncollect",
        "unfollow",
    ),
)

# As web analytics and players name them.
_VIEWS = (
    *("viewitem", "selectitem", "viewed", "clicked", "productviewed", "productclicked", "play", "played"),
    *("watch", "watched", "listen", "listened", "stream", "streamed", "read"),
)
_LIKES = ("liked", "addtowishlist", "addtofavorites", "addtofavourites", "favorited", "saved", "bookmarked")
_CARTS = ("addedtocart", "cartadd", "productadded", "begincheckout", "checkoutstarted")
_PURCHASES = ("purchased", "ordered", "ordercompleted", "transactioncompleted", "sold")

# How strongly each behavior speaks for an item. Case, spaces, "-" and "_" do not matter.
STRENGTHS: Mapping[str, int] = {
    **dict.fromkeys((*RETURNS, *REMOVALS, *_DISLIKES), NEGATIVE),
    **dict.fromkeys((*_VIEWS, "view", "pv", "click", "detail", "pageview", "impression", "visit", "open"), VIEW),
    **dict.fromkeys(
        (*_LIKES, "fav", "favorite", "favourite", "like", "wish", "wishlist", "collect", "bookmark", "save"), LIKE
    ),
    **dict.fromkeys((*_CARTS, "cart", "addtocart", "basket", "addtobasket", "tocart"), CART),
    **dict.fromkeys(
        (*_PURCHASES, "purchase", "buy", "transaction", "order", "sale", "bought", "checkout", "paid"), PURCHASE
    ),
}
