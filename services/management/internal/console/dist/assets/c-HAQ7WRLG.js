import{n as t,o as e}from"./c-NUUQLGJR.js";function a(){return e("div",{class:"page-head",children:e("h1",{children:t("common.page.health")})})}export{a as Health};
